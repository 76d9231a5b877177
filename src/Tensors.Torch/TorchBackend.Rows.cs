using System.Runtime.InteropServices;
using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Rows that are chosen by index, normalized, or added up.</summary>
public sealed partial class TorchBackend
{
    public override void LayerNorm(Tensor x, Tensor gamma, Tensor beta, float epsilon, Tensor output)
    {
        Shapes.LayerNorm(x, gamma, beta, output);
        if (x.Rows == 0)
            return;
        using var operation = _context.Begin();
        View(output).copy_(torch.nn.functional.layer_norm(
            View(x), [x.Columns], View(gamma).reshape(x.Columns), View(beta).reshape(x.Columns), epsilon));
    }

    /// <remarks>
    /// With n = (x - mean) / deviation and g = gamma ⊙ dy: dx = (g - mean(g) - n mean(g ⊙ n)) / deviation.
    /// </remarks>
    public override void LayerNormGradient(
        Tensor x, Tensor gamma, float epsilon, Tensor outputGradient, Tensor gammaGradient, Tensor betaGradient,
        Tensor xGradient)
    {
        Shapes.LayerNormGradient(x, gamma, outputGradient, gammaGradient, betaGradient, xGradient);
        if (x.Rows == 0)
            return;
        using var operation = _context.Begin();
        using var added = epsilon.ToScalar();
        long[] columns = [1];
        var centered = View(x) - View(x).mean(columns, keepdim: true);
        var inverse = (centered * centered).mean(columns, keepdim: true).add_(added).rsqrt();
        var normalized = centered.mul_(inverse);
        var gradient = View(outputGradient);
        if (!gammaGradient.IsNone)
            View(gammaGradient).add_((gradient * normalized).sum(0, keepdim: true));
        if (!betaGradient.IsNone)
            View(betaGradient).add_(gradient.sum(0, keepdim: true));
        var scaled = gradient * View(gamma);
        var slope = (scaled * normalized).mean(columns, keepdim: true);
        scaled.sub_(scaled.mean(columns, keepdim: true)).sub_(normalized.mul_(slope)).mul_(inverse);
        View(xGradient).copy_(scaled);
    }

    public override void EmbeddingSum(
        Tensor tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        Shapes.EmbeddingSum(tokens, positions, types, ids, output);
        if (output.Rows == 0)
            return;
        using var operation = _context.Begin();
        var rows = TokenRows(ids);
        View(output).copy_(View(tokens).index_select(0, rows[0])
            .add_(View(positions).index_select(0, rows[1]))
            .add_(View(types).index_select(0, rows[2])));
    }

    public override void EmbeddingGradient(
        IndexBuffer ids, Tensor outputGradient, Tensor tokensGradient, Tensor positionsGradient,
        Tensor typesGradient)
    {
        Shapes.EmbeddingGradient(ids, outputGradient, tokensGradient, positionsGradient, typesGradient);
        if (outputGradient.Rows == 0)
            return;
        using var operation = _context.Begin();
        var rows = TokenRows(ids);
        var gradient = View(outputGradient);
        AddRows(View(tokensGradient), rows[0], gradient);
        AddRows(View(positionsGradient), rows[1], gradient);
        if (!typesGradient.IsNone)
            AddRows(View(typesGradient), rows[2], gradient);
    }

    public override void GatherRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        Shapes.GatherRows(x, rows, output);
        if (output.Rows == 0)
            return;
        using var operation = _context.Begin();
        View(output).copy_(View(x).index_select(0, OnDevice(rows)));
    }

    public override void ScatterAddRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        Shapes.GatherRows(output, rows, x);
        if (x.Rows == 0)
            return;
        using var operation = _context.Begin();
        AddRows(View(output), OnDevice(rows), View(x));
    }

    public override void MeanRows(Tensor x, IndexBuffer spans, Tensor output)
    {
        Shapes.MeanRows(x, spans, output);
        if (output.Rows == 0)
            return;
        using var operation = _context.Begin();
        var (rows, ownSpans, counts) = Members(spans.Values);
        var means = torch.zeros([output.Rows, output.Columns], torch.ScalarType.Float32, _context.Device);
        AddRows(means, ownSpans, View(x).index_select(0, rows));
        View(output).copy_(means.div_(counts));
    }

    public override void MeanRowsGradient(Tensor outputGradient, IndexBuffer spans, Tensor xGradient)
    {
        Shapes.MeanRows(xGradient, spans, outputGradient);
        if (outputGradient.Rows == 0)
            return;
        using var operation = _context.Begin();
        var (rows, ownSpans, counts) = Members(spans.Values);
        AddRows(View(xGradient), rows, (View(outputGradient) / counts).index_select(0, ownSpans));
    }

    public override void AddRows(Tensor x, Tensor output)
    {
        Shapes.AddRows(x, output);
        if (x.Rows == 0)
            return;
        using var operation = _context.Begin();
        View(output).add_(View(x).sum(0, keepdim: true));
    }

    /// <summary>output[rows[i]] += x[i], always in the same order.</summary>
    /// <remarks>
    /// On CUDA index_add adds in any order, while index_put that accumulates sorts first; on the processor it is the
    /// other way round: index_put's threads add atomically, index_add runs on one.
    /// </remarks>
    private void AddRows(torch.Tensor output, torch.Tensor rows, torch.Tensor x)
    {
        var numbers = rows.to(torch.ScalarType.Int64);
        if (_context.IsCuda)
            output.index_put_(x, [numbers], accumulate: true);
        else
            output.index_add_(0, numbers, x, _context.One);
    }

    /// <summary>Rows of the three tables.</summary>
    private static torch.Tensor[] TokenRows(IndexBuffer ids)
    {
        var columns = OnDevice(ids).view(-1, TokenIds.Count).t().contiguous();
        return [columns.select(0, 0), columns.select(0, 1), columns.select(0, 2)];
    }

    /// <summary>All rows of spans, the span that each belongs to, and how many each has, [spans, 1].</summary>
    private (torch.Tensor Rows, torch.Tensor Spans, torch.Tensor Counts) Members(ReadOnlySpan<int> ends)
    {
        var (rows, spans) = (new List<int>(), new List<int>());
        var counts = new float[ends.Length / 2];
        for (var i = 0; i < counts.Length; i++)
        {
            var (begin, end) = (ends[2 * i], ends[(2 * i) + 1]);
            counts[i] = end - begin;
            for (var row = begin; row < end; row++)
            {
                rows.Add(row);
                spans.Add(i);
            }
        }

        return (
            _context.Upload(CollectionsMarshal.AsSpan(rows)), _context.Upload(CollectionsMarshal.AsSpan(spans)),
            _context.Upload(counts).view(-1, 1));
    }
}
