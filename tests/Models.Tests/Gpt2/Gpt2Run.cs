using Serving.Models.Gpt2;
using Serving.Tensors;

namespace Serving.Models.Tests.Gpt2;

/// <summary>A decoder with a cache, whose blocks are handed out in random order.</summary>
internal sealed class Gpt2Run : IDisposable
{
    private const int Blocks = 64;

    private readonly Stack<int> _free;
    private readonly KeyValueCache _cache;
    private readonly Gpt2Workspace _workspace;
    private readonly Gpt2Batch _batch = new();

    public Gpt2Run(TensorBackend backend, Gpt2Decoder decoder, int seed = 0)
    {
        Decoder = decoder;
        var order = Enumerable.Range(0, Blocks).ToArray();
        new Random(seed).Shuffle(order);
        _free = new(order);
        _cache = new(backend, decoder.Config, Blocks);
        _workspace = decoder.CreateWorkspace(
            new(Tokens: 200, Sequences: 10, LogitRows: 200, Blocks));
    }

    public Gpt2Decoder Decoder { get; }

    /// <summary>Runs the next tokens of some sequences together.</summary>
    /// <returns>The logits of each sequence's tokens, [tokens, vocab].</returns>
    public float[][] Step(
        IReadOnlyList<(CachedSequence Sequence, int[] Tokens)> parts, Action<string, Tensor>? trace = null,
        LogitRows logits = LogitRows.All)
    {
        _batch.Clear();
        foreach (var (sequence, tokens) in parts)
        {
            while (sequence.Room < sequence.Tokens + tokens.Length)
                sequence.AddBlock(_free.Pop());
            _batch.Add(sequence, tokens, logits);
        }

        var all = Decoder.Forward(_batch, _cache, _workspace, trace);
        var offsets = _batch.LogitOffsets;
        var results = new float[parts.Count][];
        for (var i = 0; i < results.Length; i++)
            results[i] = all.Slice(offsets[i], offsets[i + 1] - offsets[i]).ToArray();
        return results;
    }

    /// <summary>Gives a sequence's blocks back.</summary>
    public void Free(CachedSequence sequence)
    {
        foreach (var block in sequence.Blocks)
            _free.Push(block);
        sequence.Clear();
    }

    public void Dispose()
    {
        _cache.Dispose();
        _workspace.Dispose();
    }
}
