using Serving.Text.Bert;

namespace Serving.Models.Tokenizers;

/// <summary>Tokens beside the vocabulary, or of it, that are found in texts as they are written.</summary>
/// <remarks>[CLS] and the other special tokens of BERT are none: in a text they are text.</remarks>
internal sealed class AddedTokenList
{
    private const int MostIds = 1 << 22;

    private static readonly string[] Special =
    [
        BertTokenizer.PaddingToken, BertTokenizer.UnknownToken, BertTokenizer.ClassifierToken,
        BertTokenizer.SeparatorToken, BertTokenizer.MaskToken
    ];

    // By content, with the id where that is said, and what said it.
    private readonly SortedDictionary<string, (int? Id, string Source)> _tokens = new(StringComparer.Ordinal);

    /// <summary>Whether there is one that is not BERT's own.</summary>
    public bool Any() => _tokens.Keys.Any(content => !IsSpecial(content));

    public static bool IsSpecial(string content) => Special.Contains(content, StringComparer.Ordinal);

    /// <summary>Whether a file said that a token is found as it is written.</summary>
    public bool Contains(string content) => _tokens.ContainsKey(content);

    /// <param name="id">null where it is not said.</param>
    /// <param name="source">The file and field.</param>
    /// <exception cref="ModelFileException">It has another id already.</exception>
    public void Add(string content, int? id, string source)
    {
        if (_tokens.TryGetValue(content, out var known) && known.Id is { } other && id is not null && id != other)
        {
            throw new ModelFileException(
                $"{source}: '{content}' has the id {id}, {known.Source} gives it {other}; one is needed.");
        }

        if (content.Length == 0 || content.AsSpan().ContainsAny('\r', '\n'))
        {
            throw new ModelFileException(
                $"{source} has a token that is empty or has a line end, which {ModelFiles.Vocabulary} can't keep; text "
                + "in one line is needed.");
        }

        _tokens[content] = known.Id is not null ? known : (id, source);
    }

    public void CopyTo(AddedTokenList other)
    {
        foreach (var (content, (id, source)) in _tokens)
            other.Add(content, id, source);
    }

    /// <summary>Gives the tokens their places.</summary>
    /// <param name="vocabulary">Tokens by id; those that are missing are added.</param>
    /// <returns>Those that are found in texts.</returns>
    /// <exception cref="ModelFileException">A token has no id, or the vocabulary has another at its id.</exception>
    public IReadOnlyList<AddedToken> Place(List<string> vocabulary)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < vocabulary.Count; i++)
            ids[vocabulary[i]] = i;
        var placed = new List<AddedToken>();
        foreach (var (content, (said, source)) in _tokens)
        {
            var isKnown = ids.TryGetValue(content, out var known);
            if (said is null && !isKnown && IsSpecial(content))
                continue;
            var id = said ?? (isKnown
                ? known
                : throw new ModelFileException(
                    $"{source}: '{content}' has no id: it is neither in the vocabulary nor in {ModelFiles.AddedTokens} "
                    + "or added_tokens_decoder. Add it there."));
            if (id is < 0 or >= MostIds || (isKnown && known != id)
                || (!isKnown && id < vocabulary.Count && vocabulary[id].Length > 0))
            {
                throw new ModelFileException(
                    $"{source}: '{content}' has the id {id}, where the vocabulary has "
                    + (isKnown ? $"it at {known}" : id >= 0 && id < vocabulary.Count ? $"'{vocabulary[id]}'" : "none")
                    + "; one token at one id is needed.");
            }

            while (vocabulary.Count <= id)
                vocabulary.Add("");
            vocabulary[id] = content;
            ids[content] = id;
            if (!IsSpecial(content))
                placed.Add(new(content, id, IsPiece: isKnown));
        }

        return placed;
    }
}
