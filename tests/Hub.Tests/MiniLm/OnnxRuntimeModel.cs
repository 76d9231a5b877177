using Microsoft.ML.OnnxRuntime;
using Serving.Text.Bert;

namespace Serving.Hub.Tests.MiniLm;

/// <summary>An export of BERT as ONNX Runtime runs it.</summary>
internal sealed class OnnxRuntimeModel : IDisposable
{
    private readonly SessionOptions _options;
    private readonly InferenceSession _session;

    public OnnxRuntimeModel(string path, int threads)
    {
        _options = new() { IntraOpNumThreads = threads, EnableMemoryPattern = false }; // Each length is a pattern.
        _options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        _session = new(path, _options);
    }

    /// <returns>The last hidden states, [tokens, hidden], and the pooler's output, [hidden].</returns>
    public (float[] States, float[] Pooler) Run(IReadOnlyList<Token> tokens)
    {
        using var ids = Input(tokens.Select(token => (long)token.Id));
        using var seen = Input(tokens.Select(_ => 1L));
        using var types = Input(tokens.Select(token => (long)token.Type));
        using var run = new RunOptions();
        using var outputs = _session.Run(
            run, ["input_ids", "attention_mask", "token_type_ids"], [ids, seen, types], _session.OutputNames);
        return (Values(outputs[0]), Values(outputs[1]));
    }

    public void Dispose()
    {
        _session.Dispose();
        _options.Dispose();
    }

    private static OrtValue Input(IEnumerable<long> values)
    {
        long[] row = [.. values];
        return OrtValue.CreateTensorValueFromMemory(row, [1, row.Length]);
    }

    private static float[] Values(OrtValue output) => output.GetTensorDataAsSpan<float>().ToArray();
}
