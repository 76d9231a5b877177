using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Models.Gpt2;

/// <summary>Everything that a decoder loads; freed together.</summary>
internal sealed class Gpt2Parameters(DeviceMemory memory) : IDisposable
{
    /// <summary>[vocab, hidden]; none where the head is the same, and held once.</summary>
    public Tensor Tokens { get; private set; }

    public Tensor Positions { get; private set; }

    /// <summary>Zeros: tokens have no types.</summary>
    public Tensor Types { get; private set; }

    public IReadOnlyList<Gpt2Layer> Layers { get; private set; } = [];

    public Norm FinalNorm { get; private set; }

    /// <summary>[vocab, hidden]</summary>
    public PackedWeight Head { get; private set; } = null!;

    /// <summary>SHA-256 over names, shapes and float32 values.</summary>
    public string Digest { get; private set; } = "";

    /// <summary>Bytes on the device.</summary>
    public long Bytes => memory.Bytes;

    /// <summary>Reads everything; what was read is freed when something is missing.</summary>
    public static Gpt2Parameters Load(
        TensorBackend backend, Gpt2Config config, IParameterSource weights, WeightFormat format)
    {
        var memory = new DeviceMemory(backend);
        var parameters = new Gpt2Parameters(memory);
        try
        {
            using var reader = new ParameterReader(memory, weights, format);
            if (config.TiesEmbeddings)
                parameters.Head = reader.Weight(Gpt2Tensors.TokenEmbeddings, config.Vocab, config.Hidden);
            else
                parameters.Tokens = reader.Tensor(Gpt2Tensors.TokenEmbeddings, config.Vocab, config.Hidden);
            parameters.Positions =
                reader.Tensor(Gpt2Tensors.PositionEmbeddings, config.MaxPositions, config.Hidden);
            parameters.Layers =
                [.. Enumerable.Range(0, config.Layers).Select(layer => LoadLayer(reader, config, layer))];
            parameters.FinalNorm = reader.Norm(Gpt2Tensors.FinalNorm, config.Hidden);
            if (!config.TiesEmbeddings)
                parameters.Head = reader.Weight(Gpt2Tensors.Head, config.Vocab, config.Hidden);
            parameters.Types = memory.Allocate(1, config.Hidden);
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

    private static Gpt2Layer LoadLayer(ParameterReader reader, Gpt2Config config, int layer) => new(
        reader.Dense([(Gpt2Tensors.Attention(layer), 3 * config.Hidden)], config.Hidden),
        reader.Dense([(Gpt2Tensors.AttentionOutput(layer), config.Hidden)], config.Hidden),
        reader.Dense([(Gpt2Tensors.Intermediate(layer), config.Inner)], config.Hidden),
        reader.Dense([(Gpt2Tensors.Output(layer), config.Hidden)], config.Inner),
        reader.Norm(Gpt2Tensors.AttentionNorm(layer), config.Hidden),
        reader.Norm(Gpt2Tensors.FeedForwardNorm(layer), config.Hidden));
}

/// <summary>The parameters of a decoder layer.</summary>
internal sealed record Gpt2Layer(
    Dense Attention, Dense AttentionOutput, Dense Intermediate, Dense Output, Norm AttentionNorm,
    Norm FeedForwardNorm);
