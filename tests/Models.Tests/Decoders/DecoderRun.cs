using Serving.Models.Decoders;
using Serving.Tensors;

namespace Serving.Models.Tests.Decoders;

/// <summary>A decoder with a cache, whose blocks are handed out in random order.</summary>
internal class DecoderRun : IDisposable
{
    private const int Blocks = 64;

    private readonly Stack<int> _free;
    private readonly DecoderCache _cache;
    private readonly DecoderWorkspace _workspace;
    private readonly DecoderBatch _batch = new();

    public DecoderRun(Decoder decoder, int seed = 0)
    {
        Decoder = decoder;
        var order = Enumerable.Range(0, Blocks).ToArray();
        new Random(seed).Shuffle(order);
        _free = new(order);
        _cache = decoder.CreateCache(Blocks);
        _workspace = decoder.CreateWorkspace(new(Tokens: 200, Sequences: 10, LogitRows: 200, Blocks));
    }

    public Decoder Decoder { get; }

    public CachedSequence NewSequence() => new(Decoder.BlockTokens);

    /// <summary>Runs the next tokens of some sequences together.</summary>
    /// <returns>The logits of each sequence's tokens, [tokens, vocab].</returns>
    public float[][] Step(
        IReadOnlyList<(CachedSequence Sequence, int[] Tokens)> parts, LogitRows logits = LogitRows.All)
    {
        _batch.Clear();
        foreach (var (sequence, tokens) in parts)
        {
            while (sequence.Room < sequence.Tokens + tokens.Length)
                sequence.AddBlock(_free.Pop());
            _batch.Add(sequence, tokens, logits);
        }

        var all = Forward(_batch, _cache, _workspace);
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

    protected virtual Tensor Forward(DecoderBatch batch, DecoderCache cache, DecoderWorkspace workspace) =>
        Decoder.Forward(batch, cache, workspace);
}
