using Serving.Models;
using Serving.Models.Parameters;
using Serving.Training.Pruning;

namespace Serving.Training.Tests.Pruning;

/// <summary>Some matrices with given weights, numbered one after another.</summary>
internal sealed class Matrices(float[] values, params (string Name, int Rows, int Columns)[] tensors) : IParameterSource
{
    public IReadOnlyList<(string Name, int Rows, int Columns)> Tensors => tensors;

    public void Read(string name, int rows, int columns, int firstRow, Span<float> into) =>
        values.AsSpan(First(name) + (firstRow * columns), into.Length).CopyTo(into);

    /// <summary>The numbers of the weights that masks keep.</summary>
    public List<int> Kept(WeightMasks masks) =>
    [
        .. tensors.SelectMany(tensor => Enumerable.Range(0, tensor.Rows * tensor.Columns)
            .Where(i => BitMask.Keeps(masks.ReadMask(tensor.Name), i)).Select(i => First(tensor.Name) + i))
    ];

    private int First(string name) =>
        tensors.TakeWhile(tensor => tensor.Name != name).Sum(tensor => tensor.Rows * tensor.Columns);
}
