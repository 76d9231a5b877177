namespace Serving.Tensors.Tests.Reference;

/// <summary>
/// The operations as their definitions read: one loop around another, in double precision, on one thread.
/// </summary>
/// <remarks>
/// What other backends are compared with, and an example of one: it stands on the public contract alone. Each result
/// is rounded to float once, at the end.
/// </remarks>
internal sealed partial class ReferenceBackend : TrainingBackend
{
    private readonly ReferenceLedger _ledger = new();

    public override string Description => "reference";

    public override string Reason => "others are compared with it";

    public override long AllocatedBytes => _ledger.Bytes;

    public override Determinism Determinism =>
        Determinism.Repeatable | Determinism.BatchInvariant | Determinism.ThreadInvariant;

    public override Tensor Allocate(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        return new(new ReferenceStorage(_ledger, (long)rows * columns), offset: 0, rows, columns, stride: columns);
    }

    public override IndexBuffer AllocateIndices(int capacity) => new ReferenceIndexBuffer(_ledger, capacity);

    public override ScalarBuffer AllocateScalars(int count) => new ReferenceScalarBuffer(count);

    public override TensorArena CreateArena() => new ReferenceArena(this);

    public override PackedWeight PackWeight(ReadOnlySpan<Tensor> weights, WeightFormat format = WeightFormat.Float32)
    {
        var outFeatures = Shapes.PackWeight(weights);
        var values = new List<float>();
        foreach (var weight in weights)
            values.AddRange(weight.ToArray());
        return new ReferencePackedWeight(_ledger, outFeatures, [.. values], format);
    }

    public override MaskSet AllocateMasks(ReadOnlySpan<(int OutFeatures, int InFeatures)> shapes)
    {
        var masks = new List<ReferencePackedMask>();
        foreach (var (outFeatures, inFeatures) in shapes)
            masks.Add(new(outFeatures, inFeatures));
        return new ReferenceMaskSet(_ledger, masks);
    }

    public override void Dispose()
    {
    }

    private static ref float At(Tensor tensor, int row, int column) =>
        ref ((ReferenceStorage)tensor.Storage)[tensor.Offset + ((long)row * tensor.Stride) + column];

    /// <summary>Sets each element; all are computed before the first is set: operands may be the output.</summary>
    private static void Set(Tensor output, Func<int, int, double> value)
    {
        var values = new double[output.Rows, output.Columns];
        for (var row = 0; row < output.Rows; row++)
        {
            for (var column = 0; column < output.Columns; column++)
                values[row, column] = value(row, column);
        }

        for (var row = 0; row < output.Rows; row++)
        {
            for (var column = 0; column < output.Columns; column++)
                At(output, row, column) = (float)values[row, column];
        }
    }

    private static double Sum(int count, Func<int, double> term)
    {
        var sum = 0.0;
        for (var i = 0; i < count; i++)
            sum += term(i);
        return sum;
    }

    private static double Bias(Tensor bias, int column) => bias.IsNone ? 0 : At(bias, 0, column);
}
