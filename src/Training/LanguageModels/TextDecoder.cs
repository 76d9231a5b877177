using Serving.Decoding;
using Serving.Models.Decoders;
using Serving.Tensors;
using Serving.Training.Decoders;

namespace Serving.Training.LanguageModels;

/// <summary>Chooses the next token of a text.</summary>
/// <param name="text">The number of the text.</param>
/// <param name="at">How many tokens were added to it before.</param>
/// <param name="logits">One for each token.</param>
internal delegate int TokenChoice(int text, int at, ReadOnlySpan<float> logits);

/// <summary>Continues texts as the model is served: frozen, over cached keys.</summary>
internal sealed class TextDecoder : IDisposable
{
    /// <summary>At once, which limits the cache.</summary>
    public const int MostSequences = 64;

    private readonly Decoder _decoder;

    /// <param name="model">Its present weights are copied.</param>
    public TextDecoder(TensorBackend backend, DecoderModel model) => _decoder = model.CreateDecoder(backend);

    /// <summary>With the likeliest token at each place.</summary>
    /// <inheritdoc cref="Continue(IReadOnlyList{ReadOnlyMemory{int}}, int, TokenChoice, CancellationToken)"/>
    public List<int[]> Continue(
        IReadOnlyList<ReadOnlyMemory<int>> prefixes, int length, CancellationToken cancellationToken = default) =>
        Continue(prefixes, length, (_, _, logits) => LikeliestToken.Of(logits), cancellationToken);

    /// <param name="prefixes">Not empty, each as long as the first.</param>
    /// <param name="length">Tokens to be added; prefixes with them fit into the model's positions.</param>
    /// <returns>The continuations, without their prefixes.</returns>
    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public List<int[]> Continue(
        IReadOnlyList<ReadOnlyMemory<int>> prefixes, int length, TokenChoice choose,
        CancellationToken cancellationToken = default)
    {
        var continuations = new List<int[]>(prefixes.Count);
        foreach (var part in prefixes.Chunk(MostSequences))
        {
            var first = continuations.Count;
            continuations.AddRange(Continue(
                part, length, (text, at, logits) => choose(first + text, at, logits), cancellationToken));
        }

        return continuations;
    }

    public void Dispose() => _decoder.Dispose();

    private int[][] Continue(
        ReadOnlyMemory<int>[] prefixes, int length, TokenChoice choose, CancellationToken cancellationToken)
    {
        var count = prefixes.Length;
        var ofSequence = _decoder.BlocksOf(prefixes[0].Length + length);
        using var cache = _decoder.CreateCache(count * ofSequence);
        using var workspace = _decoder.CreateWorkspace(
            new(count * prefixes[0].Length, count, LogitRows: count, count * ofSequence));
        var sequences = new CachedSequence[count];
        for (var i = 0; i < count; i++)
        {
            sequences[i] = new(_decoder.BlockTokens);
            for (var block = 0; block < ofSequence; block++)
                sequences[i].AddBlock((i * ofSequence) + block);
        }

        int[][] continuations = [.. prefixes.Select(_ => new int[length])];
        var batch = new DecoderBatch();
        for (var at = 0; at < length; at++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            batch.Clear();
            for (var i = 0; i < count; i++)
            {
                batch.Add(
                    sequences[i], at == 0 ? prefixes[i].Span : continuations[i].AsSpan(at - 1, 1), LogitRows.Last);
            }

            var logits = _decoder.Forward(batch, cache, workspace).ToArray();
            for (var i = 0; i < count; i++)
            {
                continuations[i][at] = choose(
                    i, at, logits.AsSpan(i * _decoder.Config.Vocab, _decoder.Config.Vocab));
            }
        }

        return continuations;
    }
}
