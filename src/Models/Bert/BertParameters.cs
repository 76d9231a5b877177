using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Models.Bert;

/// <summary>Everything that an encoder loads; freed together.</summary>
internal sealed class BertParameters(DeviceMemory memory) : IDisposable
{
    public Tensor Words { get; private set; }

    public Tensor Positions { get; private set; }

    public Tensor Types { get; private set; }

    public Norm EmbeddingNorm { get; private set; }

    public IReadOnlyList<BertLayer> Layers { get; private set; } = [];

    /// <summary>Null in models without one.</summary>
    public Dense? Pooler { get; private set; }

    /// <summary>SHA-256 over names, shapes and float32 values.</summary>
    public string Digest { get; private set; } = "";

    /// <summary>Bytes on the device.</summary>
    public long Bytes => memory.Bytes;

    /// <summary>Reads everything; what was read is freed when something is missing.</summary>
    public static BertParameters Load(
        TensorBackend backend, BertConfig config, IParameterSource weights, WeightFormat format)
    {
        var memory = new DeviceMemory(backend);
        var parameters = new BertParameters(memory);
        try
        {
            using var reader = new ParameterReader(memory, weights, format);
            parameters.Words = reader.Tensor(BertTensors.WordEmbeddings, config.Vocab, config.Hidden);
            parameters.Positions = reader.Tensor(BertTensors.PositionEmbeddings, config.MaxPositions, config.Hidden);
            parameters.Types = reader.Tensor(BertTensors.TypeEmbeddings, config.Types, config.Hidden);
            parameters.EmbeddingNorm = reader.Norm(BertTensors.EmbeddingNorm, config.Hidden);
            parameters.Layers =
                [.. Enumerable.Range(0, config.Layers).Select(layer => LoadLayer(reader, config, layer))];
            if (config.HasPooler)
                parameters.Pooler = reader.Dense([(BertTensors.Pooler, config.Hidden)], config.Hidden);
            parameters.Digest = reader.Digest();
            return parameters;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    public void Dispose() => memory.Dispose();

    private static BertLayer LoadLayer(ParameterReader reader, BertConfig config, int layer)
    {
        (string, int) Member(BertMatrix matrix) =>
            (BertTensors.Module(layer, matrix), BertTensors.Shape(config, matrix).Rows);
        Dense[] stacks =
        [
            .. BertStacks.OfLayer(config, layer).Select(stack => reader.Dense(
                [.. stack.Select(Member)], BertTensors.Shape(config, stack[0]).Columns))
        ];
        return new(
            stacks,
            reader.Norm(BertTensors.AttentionNorm(layer), config.Hidden),
            reader.Norm(BertTensors.OutputNorm(layer), config.Hidden));
    }
}
