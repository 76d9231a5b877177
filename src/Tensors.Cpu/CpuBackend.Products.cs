using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>Matrix products.</summary>
public sealed unsafe partial class CpuBackend
{
    private const int MaxSegmentsOnStack = 1024;
    private const int TermsPerItem = 256;

    public override void Linear(
        Tensor x,
        PackedWeight weight,
        Tensor bias,
        ReadOnlySpan<RowSegment> segments,
        Activation activation,
        Tensor residual,
        Tensor output)
    {
        var packed = (CpuPackedWeight)weight;
        Shapes.Linear(x, weight, bias, segments, residual, output);
        if (x.Rows == 0)
            return;

        var room = Math.Max(1, segments.Length);
        fixed (MaskedRows* rows = room <= MaxSegmentsOnStack ? stackalloc MaskedRows[room] : new MaskedRows[room])
        {
            Linear(new LinearArguments
            {
                X = Pointer(x),
                XStride = x.Stride,
                Panels = packed.Panels,
                Format = packed.Format,
                InFeatures = packed.InFeatures,
                OutFeatures = packed.OutFeatures,
                Bias = PointerOrNull(bias),
                Activation = activation,
                Residual = PointerOrNull(residual),
                ResidualStride = residual.Stride,
                Output = Pointer(output),
                OutputStride = output.Stride,
                Segments = rows,
                SegmentCount = MergeSegments(segments, x.Rows, rows)
            });
        }
    }

    public override void Project(Tensor x, Tensor weight, Tensor bias, Tensor output)
    {
        Shapes.Project(x, weight, bias, output);
        var job = new ProjectJob
        {
            Kernels = _kernels,
            X = Pointer(x),
            XStride = x.Stride,
            Weight = Pointer(weight),
            WeightStride = weight.Stride,
            Bias = PointerOrNull(bias),
            Output = Pointer(output),
            OutputStride = output.Stride,
            Rows = x.Rows,
            InFeatures = x.Columns,
            OutFeatures = weight.Rows,
            RowsPerItem = RowsPerItem
        };
        _threads.Run(ref job, ItemCount(x.Rows));
    }

    public override void Multiply(
        Tensor a, Tensor b, Transposed transposed, Selection selection, Tensor bias, bool accumulate, Tensor output)
    {
        var terms = Shapes.Multiply(a, b, transposed, selection, bias, output);
        if (output.Rows == 0)
            return;
        if (terms == 0)
        {
            if (!accumulate)
                Fill(output, 0f);
            return;
        }

        lock (_scratchGate)
        {
            var panels = Panels.Count(output.Columns);
            var packedFloats = (long)panels * Panels.Width * terms;
            var leftStride = OddCacheLines(terms);
            var scratch = Scratch(packedFloats + (transposed == Transposed.Left ? (long)output.Rows * leftStride : 0));
            Pack(b, transposed == Transposed.Right, terms, output.Columns, selection, scratch);
            var x = Pointer(a);
            var xStride = (nint)a.Stride;
            if (transposed == Transposed.Left)
            {
                x = scratch + packedFloats;
                xStride = leftStride;
                var transposing = new TransposeJob
                {
                    Source = Pointer(a),
                    SourceStride = a.Stride,
                    Rows = a.Rows,
                    Columns = a.Columns,
                    Destination = x,
                    DestinationStride = leftStride
                };
                _threads.Run(ref transposing, transposing.Items);
            }

            var all = new MaskedRows(0, output.Rows, bits: null);
            Linear(new LinearArguments
            {
                X = x,
                XStride = xStride,
                Panels = scratch,
                Format = WeightFormat.Float32,
                InFeatures = terms,
                OutFeatures = output.Columns,
                Bias = PointerOrNull(bias),
                Output = Pointer(output),
                OutputStride = output.Stride,
                Segments = &all,
                SegmentCount = 1,
                Accumulate = accumulate
            });
        }
    }

    /// <summary>Lays a product's right operand out in panels.</summary>
    /// <param name="isTransposed">[columns, terms], or else [terms, columns].</param>
    private void Pack(Tensor b, bool isTransposed, int terms, int columns, Selection selection, float* panels)
    {
        var packing = new PackJob
        {
            Kernels = _kernels,
            Operand = new()
            {
                Values = Pointer(b),
                Stride = b.Stride,
                IsTransposed = isTransposed,
                Terms = terms,
                Columns = columns,
                Scores = PointerOrNull(selection.Scores),
                ScoresStride = selection.Scores.Stride,
                Threshold = selection.Threshold,
                Panels = panels
            },
            TermsPerItem = TermsPerItem
        };
        _threads.Run(ref packing, Panels.Count(columns) * packing.Parts);
    }

    /// <summary>Runs a linear layer whose segments are merged, in blocks of rows and panels.</summary>
    private void Linear(LinearArguments arguments)
    {
        var segments = arguments.Segments;
        var rows = segments[arguments.SegmentCount - 1].EndRow;
        var panels = Panels.Count(arguments.OutFeatures);
        var mostBlocks = arguments.SegmentCount + (rows / LinearBlocking.Rows) + 2;
        fixed (int* rowStarts = mostBlocks <= MaxSegmentsOnStack ? stackalloc int[mostBlocks] : new int[mostBlocks])
        {
            var job = new LinearJob
            {
                Kernels = _kernels,
                Arguments = arguments,
                RowStarts = rowStarts,
                RowBlocks = CutRows(segments, arguments.SegmentCount, rowStarts),
                PanelCount = panels,
                PanelsPerItem = Math.Clamp(panels / (Threads * ItemsPerThread), 1, 8)
            };
            _threads.Run(ref job, job.Items);
        }
    }

    /// <summary>Turns segments into row ranges; neighbours with the same mask become one.</summary>
    private static int MergeSegments(ReadOnlySpan<RowSegment> segments, int allRows, MaskedRows* merged)
    {
        if (segments.Length == 0)
        {
            merged[0] = new(0, allRows, bits: null);
            return 1;
        }

        var count = 0;
        var row = 0;
        foreach (var segment in segments)
        {
            if (segment.Rows == 0)
                continue;
            var bits = segment.Mask is null ? null : ((CpuPackedMask)segment.Mask).Words;
            if (count > 0 && merged[count - 1].Bits == bits)
                merged[count - 1] = new(merged[count - 1].FirstRow, row + segment.Rows, bits);
            else
                merged[count++] = new(row, row + segment.Rows, bits);
            row += segment.Rows;
        }

        return count;
    }

    /// <summary>Cuts rows into blocks, if possible between segments, so that none gets a tile of few rows.</summary>
    /// <param name="starts">Receives where each block begins, and the end of the last.</param>
    /// <returns>How many blocks there are.</returns>
    private static int CutRows(MaskedRows* segments, int segmentCount, int* starts)
    {
        var blocks = 0;
        starts[0] = 0;
        for (var s = 0; s < segmentCount; s++)
        {
            var (first, end) = (segments[s].FirstRow, segments[s].EndRow);
            if (end - starts[blocks] <= LinearBlocking.Rows)
                continue;
            if (first > starts[blocks])
                starts[++blocks] = first;

            // A segment of more rows than a block is cut into equal parts.
            var parts = (end - first + LinearBlocking.Rows - 1) / LinearBlocking.Rows;
            for (var part = 1; part < parts; part++)
                starts[++blocks] = first + (int)((long)(end - first) * part / parts);
        }

        starts[++blocks] = segments[segmentCount - 1].EndRow;
        return blocks;
    }
}
