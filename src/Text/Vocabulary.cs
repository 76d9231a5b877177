using System.Collections.Frozen;
using System.Text;

namespace Serving.Text;

/// <summary>Tokens and their ids, 0 to Count - 1.</summary>
public sealed class Vocabulary
{
    /// <summary>The first that matches ends a line.</summary>
    private static readonly string[] LineEnds = ["\r\n", "\n", "\r"];

    private readonly string[] _tokens;
    private readonly FrozenDictionary<string, int> _ids;

    /// <summary>Numbers tokens in their order.</summary>
    /// <exception cref="VocabularyException">There are none, or a token is there twice.</exception>
    public Vocabulary(IEnumerable<string> tokens)
        : this([.. tokens], mayRepeat: false)
    {
    }

    private Vocabulary(string[] tokens, bool mayRepeat)
    {
        _tokens = tokens;
        if (_tokens.Length == 0)
            throw new VocabularyException("The vocabulary has no tokens; at least one is needed.");
        var ids = new Dictionary<string, int>(_tokens.Length, StringComparer.Ordinal);
        for (var id = 0; id < _tokens.Length; id++)
        {
            if (!ids.TryAdd(_tokens[id], id) && !mayRepeat)
            {
                throw new VocabularyException(
                    $"The token '{_tokens[id]}' has the ids {ids[_tokens[id]]} and {id}; one is needed.");
            }

            ids[_tokens[id]] = id;
        }

        _ids = ids.ToFrozenDictionary(StringComparer.Ordinal);
    }

    public int Count => _tokens.Length;

    public IReadOnlyList<string> Tokens => _tokens;

    public string this[int id] => _tokens[id];

    /// <summary>Numbers tokens as files have them: empty ones count, and of a token's ids the last one.</summary>
    /// <exception cref="VocabularyException">There are none.</exception>
    public static Vocabulary OfFile(IEnumerable<string> tokens) => new([.. tokens], mayRepeat: true);

    /// <summary>Reads vocab.txt: one token a line, its id the number of the line, from 0.</summary>
    /// <remarks>Empty lines count, and of a token that is there twice the last line is its id.</remarks>
    public static Vocabulary Load(string path) => Parse(File.ReadAllText(path, Encoding.UTF8));

    /// <summary>Reads the text of a vocab.txt; see <see cref="Load"/>.</summary>
    public static Vocabulary Parse(string text)
    {
        // Lines end as in Python: some tokens of multilingual vocabularies are other line separators.
        var lines = text.Split(LineEnds, StringSplitOptions.None).ToList();
        if (lines[^1].Length == 0)
            lines.RemoveAt(lines.Count - 1);
        return OfFile(lines);
    }

    /// <summary>Writes vocab.txt.</summary>
    public void Save(Stream output) =>
        output.Write(Encoding.UTF8.GetBytes(string.Concat(_tokens.Select(token => token + "\n"))));

    public bool TryGetId(string token, out int id) => _ids.TryGetValue(token, out id);

    /// <exception cref="VocabularyException">The token is not there.</exception>
    public int GetId(string token) => _ids.TryGetValue(token, out var id)
        ? id
        : throw new VocabularyException(
            $"The vocabulary of {Count} tokens has no '{token}', which the tokenizer needs.");
}
