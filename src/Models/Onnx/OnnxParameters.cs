using Serving.Models.Bert;
using Serving.Models.Parameters;

namespace Serving.Models.Onnx;

/// <summary>Parameters of a BERT in a graph, which mostly has matrices the other way round.</summary>
internal sealed class OnnxParameters(BertGraph graph) : IParameterSource
{
    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        var (tensor, isTransposed) = graph.Parameters[name];
        if (!isTransposed)
        {
            tensor.ReadFloats((long)firstRow * columns, values);
            return;
        }

        var count = values.Length / columns;
        var part = new float[count];
        for (var column = 0; column < columns; column++)
        {
            tensor.ReadFloats(((long)column * rows) + firstRow, part);
            for (var row = 0; row < count; row++)
                values[(row * columns) + column] = part[row];
        }
    }
}
