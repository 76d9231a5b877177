using Serving.Tensors;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Training.Pretraining;

/// <summary>A tokenized corpus, cut into spans that fill sequences; no span crosses the end of a document.</summary>
public sealed class Corpus
{
    private const int SpecialTokens = 2; // [CLS] and [SEP]
    private const int ShortestSpan = 8;

    private readonly List<int> _tokens = [];
    private readonly List<(int First, int Count)> _spans = [];

    /// <param name="length">The most tokens of a sequence, special ones included.</param>
    /// <exception cref="ArgumentException">The length leaves no room, or the corpus has not one span.</exception>
    public Corpus(IEnumerable<string> documents, BertTokenizer tokenizer, int length)
    {
        if (length < ShortestSpan + SpecialTokens)
            throw new ArgumentException($"Sequences are to have {length} tokens; at least {ShortestSpan + SpecialTokens} are needed.");
        foreach (var document in documents)
        {
            var first = _tokens.Count;
            foreach (var token in tokenizer.Tokenize(document))
                _tokens.Add(token.Id);
            for (var at = first; at + ShortestSpan <= _tokens.Count; at += length - SpecialTokens)
                _spans.Add((at, Math.Min(length - SpecialTokens, _tokens.Count - at)));
        }

        if (_spans.Count == 0)
            throw new ArgumentException($"The corpus has no document of at least {ShortestSpan} tokens; give it more text.");
    }

    public int Sequences => _spans.Count;

    public long Tokens => _tokens.Count;

    /// <summary>The tokens of a span, without special ones.</summary>
    public ReadOnlySpan<int> Span(int sequence) =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_tokens).Slice(_spans[sequence].First, _spans[sequence].Count);
}

/// <summary>A sequence whose tokens are partly hidden, and what they were.</summary>
/// <param name="Sequence">With special tokens.</param>
/// <param name="Positions">Of the hidden ones, ascending; at least one.</param>
/// <param name="Labels">What is right there.</param>
public sealed record MaskedSequence(TokenSequence Sequence, int[] Positions, int[] Labels);

/// <summary>Hides tokens for masked language modelling (Devlin et al. 2019, sec. 3.1).</summary>
/// <remarks>15% of the tokens: of these 80% become [MASK], 10% a random token, 10% stay as they are.</remarks>
public sealed class TokenMasker
{
    private const double Rate = 0.15;
    private const double MaskShare = 0.8;
    private const double RandomShare = 0.1;

    private readonly int _classifier;
    private readonly int _separator;
    private readonly int _mask;
    private readonly int[] _ordinary;

    /// <exception cref="VocabularyException">A special token is missing.</exception>
    public TokenMasker(Vocabulary vocabulary)
    {
        _classifier = vocabulary.GetId(BertTokenizer.ClassifierToken);
        _separator = vocabulary.GetId(BertTokenizer.SeparatorToken);
        _mask = vocabulary.GetId(BertTokenizer.MaskToken);
        _ordinary = [.. Enumerable.Range(0, vocabulary.Count).Where(id => !(vocabulary[id].StartsWith('[') && vocabulary[id].Length > 1))];
    }

    /// <param name="key">Decides which, and what they become.</param>
    public MaskedSequence Hide(ReadOnlySpan<int> span, ulong key)
    {
        var count = Math.Max(1, (int)Math.Round(Rate * span.Length));
        int[] chosen = [.. CounterRandom.Permutation(span.Length, key).Take(count).Order()];
        var tokens = new Token[span.Length + 2];
        tokens[0] = new(_classifier, 0, TokenSource.Special, default);
        for (var i = 0; i < span.Length; i++)
            tokens[i + 1] = new(span[i], 0, TokenSource.Text, default);
        tokens[^1] = new(_separator, 0, TokenSource.Special, default);
        var labels = new int[count];
        var choices = CounterRandom.Bits(key, ulong.MaxValue);
        for (var i = 0; i < count; i++)
        {
            ref var token = ref tokens[chosen[i] + 1];
            labels[i] = token.Id;
            var share = CounterRandom.Uniform(choices, 2 * (ulong)i);
            if (share < MaskShare)
                token = token with { Id = _mask };
            else if (share < MaskShare + RandomShare)
                token = token with { Id = _ordinary[(int)(CounterRandom.Uniform(choices, (2 * (ulong)i) + 1) * _ordinary.Length)] };
            chosen[i]++; // Behind [CLS].
        }

        return new(new(tokens, DroppedTokens: 0), chosen, labels);
    }
}
