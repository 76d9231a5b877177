using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>What training needs beyond the forward pass.</summary>
public sealed unsafe partial class CpuBackend
{
    // Sums over rows are made of sums over this many rows, whatever the number of threads.
    private const int RowsPerSum = 128;
    private const int ColumnsPerItem = 64;
    private const int TermsPerItem = 256;

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
            var packing = new PackJob
            {
                Kernels = _kernels,
                Operand = new()
                {
                    Values = Pointer(b),
                    Stride = b.Stride,
                    IsTransposed = transposed == Transposed.Right,
                    Terms = terms,
                    Columns = output.Columns,
                    Scores = PointerOrNull(selection.Scores),
                    ScoresStride = selection.Scores.Stride,
                    Threshold = selection.Threshold,
                    Panels = scratch
                },
                TermsPerItem = TermsPerItem
            };
            _threads.Run(ref packing, panels * packing.Parts);
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

    public override void Apply(Elementwise function, Tensor a, Tensor b, Tensor output)
    {
        Shapes.Alike(nameof(Apply), a, output);
        if (!b.IsNone)
            Shapes.Alike(nameof(Apply), b, output);
        else if (function is not (Elementwise.Gelu or Elementwise.Tanh))
            throw new ShapeException($"Apply: {function} takes two operands; the second is missing.");
        Run(new RowsJob
        {
            Kind = RowsKind.Apply,
            Function = function,
            A = Rows(a),
            B = Rows(b),
            Output = Rows(output)
        }, output.Rows, output.Columns);
    }

    public override void DropoutAdd(Tensor x, Dropout dropout, Tensor residual, Tensor output)
    {
        Shapes.Alike(nameof(DropoutAdd), x, output);
        if (!residual.IsNone)
            Shapes.Alike(nameof(DropoutAdd), residual, output);
        Shapes.Rate(dropout);
        Run(new RowsJob
        {
            Kind = RowsKind.DropoutAdd,
            Dropout = dropout,
            A = Rows(x),
            B = Rows(residual),
            Output = Rows(output)
        }, output.Rows, output.Columns);
    }

    public override void LayerNormGradient(
        Tensor x, Tensor gamma, float epsilon, Tensor outputGradient, Tensor gammaGradient, Tensor betaGradient,
        Tensor xGradient)
    {
        Shapes.LayerNormGradient(x, gamma, outputGradient, gammaGradient, betaGradient, xGradient);
        lock (_scratchGate)
        {
            var columns = OddCacheLines(x.Columns);
            var sums = (x.Rows + RowsPerSum - 1) / RowsPerSum;
            var needsSums = !gammaGradient.IsNone || !betaGradient.IsNone;
            var partial = needsSums ? Scratch(2L * sums * columns) : null;
            var job = new LayerNormGradientJob
            {
                Kernels = _kernels,
                X = Rows(x),
                Gamma = Pointer(gamma),
                Epsilon = epsilon,
                OutputGradient = Rows(outputGradient),
                XGradient = Rows(xGradient),
                Partial = partial,
                PartialStride = columns,
                RowCount = x.Rows,
                Columns = x.Columns,
                RowsPerItem = RowsPerSum
            };
            _threads.Run(ref job, sums);
            for (var i = 0; i < sums && needsSums; i++)
            {
                if (!gammaGradient.IsNone)
                    _kernels.AddTo(partial + (2 * i * columns), Pointer(gammaGradient), x.Columns);
                if (!betaGradient.IsNone)
                    _kernels.AddTo(partial + (((2 * i) + 1) * columns), Pointer(betaGradient), x.Columns);
            }
        }
    }

    public override void AddRows(Tensor x, Tensor output)
    {
        Shapes.AddRows(x, output);
        lock (_scratchGate)
        {
            var columns = OddCacheLines(x.Columns);
            var sums = (x.Rows + RowsPerSum - 1) / RowsPerSum;
            var partial = Scratch((long)sums * columns);
            var job = new AddRowsJob
            {
                Kernels = _kernels,
                X = Rows(x),
                RowCount = x.Rows,
                Columns = x.Columns,
                Partial = partial,
                PartialStride = columns,
                RowsPerItem = RowsPerSum
            };
            _threads.Run(ref job, sums);
            for (var i = 0; i < sums; i++)
                _kernels.AddTo(partial + (i * columns), Pointer(output), x.Columns);
        }
    }

    public override void Attention(
        Tensor query,
        ReadOnlySpan<int> queryOffsets,
        Tensor key,
        Tensor value,
        ReadOnlySpan<int> keyOffsets,
        int heads,
        Dropout dropout,
        Tensor output)
    {
        var mostKeys = Shapes.Attention(query, queryOffsets, key, value, keyOffsets, heads, output);
        Shapes.Rate(dropout);
        var scratchFloats = OddCacheLines(_kernels.AttentionScratchFloats(mostKeys, query.Columns / heads));
        fixed (int* queryPointer = queryOffsets, keyPointer = keyOffsets)
        {
            lock (_scratchGate)
            {
                var job = new AttentionJob
                {
                    Kernels = _kernels,
                    FirstHead = FirstHead(query, key, value, heads, dropout, output),
                    Heads = heads,
                    QueryOffsets = queryPointer,
                    KeyOffsets = keyPointer,
                    Scratch = Scratch(scratchFloats * Threads),
                    ScratchFloatsPerWorker = scratchFloats
                };
                _threads.Run(ref job, (queryOffsets.Length - 1) * heads);
            }
        }
    }

    public override void AttentionGradient(
        Tensor query,
        ReadOnlySpan<int> queryOffsets,
        Tensor key,
        Tensor value,
        ReadOnlySpan<int> keyOffsets,
        int heads,
        Dropout dropout,
        Tensor outputGradient,
        Tensor queryGradient,
        Tensor keyGradient,
        Tensor valueGradient)
    {
        var mostKeys = Shapes.Attention(query, queryOffsets, key, value, keyOffsets, heads, outputGradient);
        Shapes.Alike(nameof(AttentionGradient), query, queryGradient);
        Shapes.Alike(nameof(AttentionGradient), key, keyGradient);
        Shapes.Alike(nameof(AttentionGradient), value, valueGradient);
        Shapes.Rate(dropout);
        var mostQueries = 0;
        for (var i = 1; i < queryOffsets.Length; i++)
            mostQueries = Math.Max(mostQueries, queryOffsets[i] - queryOffsets[i - 1]);
        var scratchFloats = OddCacheLines(
            _kernels.AttentionGradientScratchFloats(mostQueries, mostKeys, query.Columns / heads));
        fixed (int* queryPointer = queryOffsets, keyPointer = keyOffsets)
        {
            lock (_scratchGate)
            {
                var job = new AttentionGradientJob
                {
                    Kernels = _kernels,
                    FirstHead = new()
                    {
                        Forward = FirstHead(query, key, value, heads, dropout, outputGradient),
                        QueryGradient = Pointer(queryGradient),
                        QueryGradientStride = queryGradient.Stride,
                        KeyGradient = Pointer(keyGradient),
                        KeyGradientStride = keyGradient.Stride,
                        ValueGradient = Pointer(valueGradient),
                        ValueGradientStride = valueGradient.Stride
                    },
                    Heads = heads,
                    QueryOffsets = queryPointer,
                    KeyOffsets = keyPointer,
                    Scratch = Scratch(scratchFloats * Threads),
                    ScratchFloatsPerWorker = scratchFloats
                };
                _threads.Run(ref job, (queryOffsets.Length - 1) * heads);
            }
        }
    }

    public override void EmbeddingGradient(
        ReadOnlySpan<TokenIds> ids, Tensor outputGradient, Tensor tokensGradient, Tensor positionsGradient,
        Tensor typesGradient)
    {
        Shapes.EmbeddingSum(tokensGradient, positionsGradient, typesGradient, ids, outputGradient);
        fixed (TokenIds* idsPointer = ids)
        {
            var job = new EmbeddingGradientJob
            {
                Kernels = _kernels,
                Ids = idsPointer,
                RowCount = ids.Length,
                OutputGradient = Rows(outputGradient),
                Tokens = Rows(tokensGradient),
                Positions = Rows(positionsGradient),
                Types = Rows(typesGradient),
                Columns = outputGradient.Columns,
                ColumnsPerItem = ColumnsPerItem
            };
            _threads.Run(ref job, (outputGradient.Columns + ColumnsPerItem - 1) / ColumnsPerItem);
        }
    }

    public override void ScatterAddRows(Tensor x, ReadOnlySpan<int> rows, Tensor output)
    {
        Shapes.GatherRows(output, rows, x);
        for (var i = 0; i < rows.Length; i++)
        {
            _kernels.AddTo(
                Pointer(x) + ((nint)i * x.Stride), Pointer(output) + ((nint)rows[i] * output.Stride), x.Columns);
        }
    }

    public override double SoftmaxCrossEntropy(Tensor logits, ReadOnlySpan<int> labels, float scale, Tensor gradient)
    {
        Shapes.SoftmaxCrossEntropy(logits, labels, gradient);
        var losses = new double[logits.Rows];
        fixed (int* labelsPointer = labels)
        fixed (double* lossesPointer = losses)
        {
            Run(new RowsJob
            {
                Kind = RowsKind.SoftmaxCrossEntropy,
                A = Rows(logits),
                Output = Rows(gradient),
                Labels = labelsPointer,
                Sums = lossesPointer,
                Scale = scale
            }, logits.Rows, logits.Columns);
        }

        return losses.Sum();
    }

    public override void Adam(Tensor parameter, Tensor gradient, Tensor mean, Tensor variance, in AdamStep step)
    {
        Shapes.Alike(nameof(Adam), gradient, parameter);
        Shapes.Alike(nameof(Adam), mean, parameter);
        Shapes.Alike(nameof(Adam), variance, parameter);
        Run(new RowsJob
        {
            Kind = RowsKind.Adam,
            A = Rows(gradient),
            B = Rows(mean),
            C = Rows(variance),
            Output = Rows(parameter),
            Step = step
        }, parameter.Rows, parameter.Columns);
    }

    public override double SumOfSquares(Tensor x)
    {
        var sums = new double[x.Rows];
        fixed (double* sumsPointer = sums)
            Run(new RowsJob { Kind = RowsKind.SumOfSquares, A = Rows(x), Sums = sumsPointer }, x.Rows, x.Columns);
        return sums.Sum();
    }

    public override void Fill(Tensor x, float value) =>
        Run(new RowsJob { Kind = RowsKind.Fill, Output = Rows(x), Scale = value }, x.Rows, x.Columns);

    private void Run(RowsJob job, int rows, int columns)
    {
        job.Kernels = _kernels;
        job.RowCount = rows;
        job.Columns = columns;
        job.RowsPerItem = Math.Max(1, FloatsPerRowsItem / columns);
        _threads.Run(ref job, (rows + job.RowsPerItem - 1) / job.RowsPerItem);
    }

    private static AttentionArguments FirstHead(
        Tensor query, Tensor key, Tensor value, int heads, Dropout dropout, Tensor output) => new()
        {
            Query = Pointer(query),
            QueryStride = query.Stride,
            Key = Pointer(key),
            KeyStride = key.Stride,
            Value = Pointer(value),
            ValueStride = value.Stride,
            HeadDim = query.Columns / heads,
            Output = Pointer(output),
            OutputStride = output.Stride,
            Dropout = dropout
        };

    private static MatrixRows Rows(Tensor tensor) => tensor.IsNone ? default : new(Pointer(tensor), tensor.Stride);
}
