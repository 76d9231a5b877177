using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Models.Lstm;

/// <summary>Everything that a decoder loads; freed together.</summary>
internal sealed class LstmParameters(DeviceMemory memory) : IDisposable
{
    /// <summary>[vocab, embedding]</summary>
    public Tensor Tokens { get; private set; }

    public IReadOnlyList<LstmLayer> Layers { get; private set; } = [];

    /// <summary>[vocab, hidden]</summary>
    public PackedWeight Head { get; private set; } = null!;

    /// <summary>SHA-256 over names, shapes and float32 values.</summary>
    public string Digest { get; private set; } = "";

    /// <summary>Bytes on the device.</summary>
    public long Bytes => memory.Bytes;

    /// <summary>Reads everything; what was read is freed when something is missing.</summary>
    public static LstmParameters Load(
        TensorBackend backend, LstmConfig config, IParameterSource weights, WeightFormat format)
    {
        var memory = new DeviceMemory(backend);
        var parameters = new LstmParameters(memory);
        try
        {
            using var reader = new ParameterReader(memory, weights, format);
            parameters.Tokens = reader.Tensor(LstmTensors.TokenEmbeddings, config.Vocab, config.Embedding);
            parameters.Layers =
                [.. Enumerable.Range(0, config.Layers).Select(layer => LoadLayer(memory, reader, config, layer))];
            parameters.Head = config.TiesEmbeddings
                ? memory.PackWeight([parameters.Tokens], format)
                : reader.Weight(LstmTensors.Head, config.Vocab, config.Hidden);
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

    private static LstmLayer LoadLayer(DeviceMemory memory, ParameterReader reader, LstmConfig config, int layer)
    {
        var gates = 4 * config.Hidden;
        var input = reader.Weight(
            LstmTensors.InputWeight(layer), gates, layer == 0 ? config.Embedding : config.Hidden);
        var recurrent = reader.Weight(LstmTensors.RecurrentWeight(layer), gates, config.Hidden);
        var ofInput = reader.Vector(LstmTensors.InputBias(layer), gates);
        var ofState = reader.Vector(LstmTensors.RecurrentBias(layer), gates);
        var bias = memory.Allocate(1, gates);
        bias.CopyFrom([.. ofInput.Zip(ofState, (a, b) => a + b)]);
        return new(new(input, bias), recurrent);
    }
}

/// <summary>The parameters of a layer.</summary>
/// <param name="Input">Of the layer's input; both biases.</param>
/// <param name="Recurrent">Of its state.</param>
internal sealed record LstmLayer(Dense Input, PackedWeight Recurrent);
