using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Serving.Text.Bpe;

/// <summary>How a word becomes tokens.</summary>
public enum Segmentation
{
    /// <summary>By merges of pairs (Sennrich et al. 2016, alg. 1).</summary>
    Merges,

    /// <summary>A word that is a token is that token; others are made by merges.</summary>
    WholeWords,

    /// <summary>By the longest tokens, from the left: WordPiece (Wu et al. 2016, sec. 4.1).</summary>
    LongestTokens,

    /// <summary>
    /// Into syllables, by rules for English; one that is a token is that token, others are made by merges.
    /// </summary>
    Syllables
}

/// <summary>GPT-2's byte-level BPE (Radford et al. 2019, sec. 2.2; Sennrich et al. 2016). Thread-safe.</summary>
/// <remarks>No text is unknown to it, in any segmentation: every byte is a token.</remarks>
public sealed class BpeTokenizer
{
    /// <summary>Where texts are split, as a pattern that matches a word (Radford et al. 2019, released code).</summary>
    public const string WordPattern = WordSplitter.Pattern;

    /// <summary>Where words are split: it matches a syllable, and what it leaves out is a piece as it is.</summary>
    public const string SyllablePattern = SyllableSplitter.Pattern;

    private readonly int[] _byteIds = new int[256];
    private readonly byte[][] _bytesOfToken;
    private readonly int _longest;
    private readonly Dictionary<(int Left, int Right), (int Rank, int Id)> _merges = [];

    /// <summary>Prepares a vocabulary.</summary>
    /// <param name="vocabulary">Tokens in GPT-2's byte alphabet.</param>
    /// <param name="merges">Pairs of tokens, the one to merge first at the front; none for the longest tokens.</param>
    /// <exception cref="VocabularyException">A byte, or a token that a merge makes or needs, is missing.</exception>
    public BpeTokenizer(
        Vocabulary vocabulary, IReadOnlyList<(string Left, string Right)> merges,
        Segmentation segmentation = Segmentation.Merges)
    {
        Vocabulary = vocabulary;
        Merges = merges;
        Segmentation = segmentation;
        _longest = vocabulary.Tokens.Max(token => token.Length);
        for (var value = 0; value < 256; value++)
            _byteIds[value] = vocabulary.GetId(ByteAlphabet.ToCharacter((byte)value).ToString());
        for (var rank = 0; rank < merges.Count; rank++)
        {
            var (left, right) = merges[rank];
            var pair = (vocabulary.GetId(left), vocabulary.GetId(right));
            _merges.TryAdd(pair, (rank, vocabulary.GetId(left + right)));
        }

        _bytesOfToken = [.. vocabulary.Tokens.Select(ToBytes)];
    }

    public Vocabulary Vocabulary { get; }

    public IReadOnlyList<(string Left, string Right)> Merges { get; }

    public Segmentation Segmentation { get; }

    /// <summary>Reads vocab.json and merges.txt of a Hugging Face folder.</summary>
    /// <exception cref="VocabularyException">A file does not have its format.</exception>
    public static BpeTokenizer Load(string vocabPath, string mergesPath) =>
        new(LoadVocabulary(vocabPath), LoadMerges(mergesPath));

    /// <summary>Writes vocab.json and merges.txt.</summary>
    public void Save(string vocabPath, string mergesPath)
    {
        var ids = Vocabulary.Tokens.Select((token, id) => (token, id)).ToDictionary(
            pair => pair.token, pair => pair.id);
        File.WriteAllText(vocabPath, JsonSerializer.Serialize(ids));
        File.WriteAllText(
            mergesPath, "#version: 0.2\n" + string.Concat(Merges.Select(merge => $"{merge.Left} {merge.Right}\n")));
    }

    /// <summary>Token ids of a text. Lone surrogates become U+FFFD; "&lt;|endoftext|&gt;" is ordinary text.</summary>
    public IReadOnlyList<int> Encode(string text)
    {
        var ids = new List<int>();
        var rest = text.AsSpan();
        while (rest.Length > 0)
        {
            var length = WordSplitter.FirstWord(rest);
            var word = rest[..length].ToString();
            if (Segmentation == Segmentation.Syllables)
            {
                foreach (var syllable in SyllableSplitter.Split(word))
                    AddWhole(Encoding.UTF8.GetBytes(syllable), ids);
            }
            else
            {
                AddWord(Encoding.UTF8.GetBytes(word), ids);
            }

            rest = rest[length..];
        }

        return ids;
    }

    /// <summary>The text of token ids; bytes that are no UTF-8 become U+FFFD.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(IEnumerable<int> ids) =>
        Encoding.UTF8.GetString([.. ids.SelectMany(id => DecodeToken(id).ToArray())]);

    /// <summary>The bytes of one token, which may be a part of a character.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public ReadOnlySpan<byte> DecodeToken(int id)
    {
        if ((uint)id >= (uint)_bytesOfToken.Length)
            throw new ArgumentOutOfRangeException(nameof(id), id, $"Token ids are 0 to {_bytesOfToken.Length - 1}.");
        return _bytesOfToken[id];
    }

    private void AddWord(byte[] word, List<int> output)
    {
        switch (Segmentation)
        {
            case Segmentation.LongestTokens:
                AddLongest(ByteAlphabet.ToText(word), output);
                break;
            case Segmentation.WholeWords:
                AddWhole(word, output);
                break;
            default:
                MergeWord([.. word.Select(value => _byteIds[value])], output);
                break;
        }
    }

    /// <summary>The token that is the whole of it, or what merges make.</summary>
    private void AddWhole(byte[] piece, List<int> output)
    {
        if (Vocabulary.TryGetId(ByteAlphabet.ToText(piece), out var whole))
            output.Add(whole);
        else
            MergeWord([.. piece.Select(value => _byteIds[value])], output);
    }

    private void AddLongest(string word, List<int> output)
    {
        for (var start = 0; start < word.Length;)
        {
            var end = Math.Min(word.Length, start + _longest);
            int id;
            while (!Vocabulary.TryGetId(word[start..end], out id))
                end--; // A byte is a token.
            output.Add(id);
            start = end;
        }
    }

    /// <summary>Merges the pair of the lowest rank, the leftmost first, until none is left.</summary>
    private void MergeWord(List<int> symbols, List<int> output)
    {
        // A linked list over the symbols, and a queue of the pairs: linear but for a logarithm, also for one long word.
        var ids = CollectionsMarshal.AsSpan(symbols);
        var next = new int[ids.Length];
        var previous = new int[ids.Length];
        var queue = new PriorityQueue<(int At, int Left, int Right), (int Rank, int At)>();
        for (var i = 0; i < ids.Length; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
            Enqueue(ids, next, i, queue);
        }

        while (queue.TryDequeue(out var pair, out _))
        {
            var (at, left, right) = pair;
            var second = next[at];
            if (ids[at] != left || second >= ids.Length || ids[second] != right)
                continue; // One of the two has been merged with another since.
            ids[at] = _merges[(left, right)].Id;
            ids[second] = -1;
            next[at] = next[second];
            if (next[at] < ids.Length)
                previous[next[at]] = at;
            if (previous[at] >= 0)
                Enqueue(ids, next, previous[at], queue);
            Enqueue(ids, next, at, queue);
        }

        for (var i = 0; i < ids.Length; i = next[i])
            output.Add(ids[i]);
    }

    private void Enqueue(
        Span<int> ids, int[] next, int at, PriorityQueue<(int At, int Left, int Right), (int Rank, int At)> queue)
    {
        if (next[at] < ids.Length && _merges.TryGetValue((ids[at], ids[next[at]]), out var merge))
            queue.Enqueue((at, ids[at], ids[next[at]]), (merge.Rank, at));
    }

    /// <summary>
    /// A token outside the byte alphabet, such as &lt;|endoftext|&gt; with a space, stands for itself.
    /// </summary>
    private static byte[] ToBytes(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < token.Length; i++)
        {
            if (!ByteAlphabet.TryToByte(token[i], out bytes[i]))
                return Encoding.UTF8.GetBytes(token);
        }

        return bytes;
    }

    private static Vocabulary LoadVocabulary(string path)
    {
        try
        {
            var ids = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllText(path))
                ?? throw new VocabularyException($"{path} is empty; an object of tokens and ids is needed.");
            var tokens = new string[ids.Count];
            foreach (var (token, id) in ids)
            {
                if ((uint)id >= (uint)tokens.Length || tokens[id] is not null)
                {
                    throw new VocabularyException(
                        $"{path}: the ids are not 0 to {tokens.Length - 1} once each; '{token}' has {id}.");
                }

                tokens[id] = token;
            }

            return new(tokens);
        }
        catch (JsonException exception)
        {
            throw new VocabularyException($"{path} is no object of tokens and ids: {exception.Message}");
        }
    }

    private static List<(string, string)> LoadMerges(string path)
    {
        var merges = new List<(string, string)>();
        var lines = File.ReadAllText(path).Split('\n');
        for (var number = 0; number < lines.Length; number++)
        {
            var line = lines[number].TrimEnd('\r');
            if (line.Length == 0 || (number == 0 && line.StartsWith("#version", StringComparison.Ordinal)))
                continue;
            var space = line.IndexOf(' ');
            if (space <= 0 || space == line.Length - 1 || line.LastIndexOf(' ') != space)
            {
                throw new VocabularyException(
                    $"{path}, line {number + 1}: '{line}' is not two tokens with a space between.");
            }

            merges.Add((line[..space], line[(space + 1)..]));
        }

        return merges;
    }
}
