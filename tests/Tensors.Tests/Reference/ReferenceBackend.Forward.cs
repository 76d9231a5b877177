namespace Serving.Tensors.Tests.Reference;

internal sealed partial class ReferenceBackend
{
    public override void Linear(
        Tensor x,
        PackedWeight weight,
        Tensor bias,
        ReadOnlySpan<RowSegment> segments,
        Activation activation,
        Tensor residual,
        Tensor output)
    {
        Shapes.Linear(x, weight, bias, segments, residual, output);
        var packed = (ReferencePackedWeight)weight;
        var masks = new List<PackedMask?>(); // One for each row.
        foreach (var segment in segments)
            masks.AddRange(Enumerable.Repeat(segment.Mask, segment.Rows));
        Set(output, (row, column) =>
        {
            var mask = masks.Count == 0 ? null : (ReferencePackedMask?)masks[row];
            var product = Sum(
                x.Columns, k => mask?[column, k] == false ? 0 : (double)At(x, row, k) * packed[column, k]);
            var activated = Formulas.Activate(product + Bias(bias, column), activation);
            return activated + (residual.IsNone ? 0 : At(residual, row, column));
        });
    }

    public override void Project(Tensor x, Tensor weight, Tensor bias, Tensor output)
    {
        Shapes.Project(x, weight, bias, output);
        Set(output, (row, column) =>
            Sum(x.Columns, k => (double)At(x, row, k) * At(weight, column, k)) + Bias(bias, column));
    }

    public override void LayerNorm(Tensor x, Tensor gamma, Tensor beta, float epsilon, Tensor output)
    {
        Shapes.LayerNorm(x, gamma, beta, output);
        Set(output, (row, column) =>
        {
            var (mean, deviation) = Moments(x, row, epsilon);
            return ((At(x, row, column) - mean) / deviation * At(gamma, 0, column)) + At(beta, 0, column);
        });
    }

    public override void EmbeddingSum(Tensor tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        Shapes.EmbeddingSum(tokens, positions, types, ids, output);
        Set(output, (row, column) =>
        {
            var id = ids.Tokens[row];
            return (double)At(tokens, id.Token, column) + At(positions, id.Position, column)
                + At(types, id.Type, column);
        });
    }

    public override void MeanRows(Tensor x, IndexBuffer spans, Tensor output)
    {
        Shapes.MeanRows(x, spans, output);
        var ends = spans.Values.ToArray();
        Set(output, (i, column) =>
        {
            var (begin, count) = (ends[2 * i], ends[(2 * i) + 1] - ends[2 * i]);
            return Sum(count, row => At(x, begin + row, column)) / count;
        });
    }

    public override void GatherRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        Shapes.GatherRows(x, rows, output);
        Set(output, (row, column) => At(x, rows.Values[row], column));
    }

    /// <summary>A row's mean, and its standard deviation with epsilon in the root.</summary>
    private static (double Mean, double Deviation) Moments(Tensor x, int row, double epsilon)
    {
        var mean = Sum(x.Columns, i => At(x, row, i)) / x.Columns;
        var variance = Sum(x.Columns, i => Math.Pow(At(x, row, i) - mean, 2)) / x.Columns;
        return (mean, Math.Sqrt(variance + epsilon));
    }
}
