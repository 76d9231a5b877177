namespace Serving.Text.Bert;

/// <summary>A part of a text, in UTF-16 code units.</summary>
/// <param name="Start">Where it begins.</param>
/// <param name="End">Behind its last code unit.</param>
public readonly record struct TextSpan(int Start, int End);

/// <summary>The words of a text after normalization, with the way back to where they came from.</summary>
internal sealed class NormalizedText
{
    private readonly List<char> _characters = [];
    private readonly List<TextSpan> _sources = [];
    private readonly List<TextSpan> _words = [];

    /// <summary>The words as parts of the normalized characters.</summary>
    public IReadOnlyList<TextSpan> Words => _words;

    public ReadOnlySpan<char> Characters => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_characters);

    public int Length => _characters.Count;

    public void Clear()
    {
        _characters.Clear();
        _sources.Clear();
        _words.Clear();
    }

    /// <summary>Appends a character that came from a part of the original text.</summary>
    public void Append(System.Text.Rune rune, TextSpan source)
    {
        Span<char> units = stackalloc char[2];
        var count = rune.EncodeToUtf16(units);
        for (var i = 0; i < count; i++)
        {
            _characters.Add(units[i]);
            _sources.Add(source);
        }
    }

    /// <summary>Ends a word at the last character, unless nothing came since `start`.</summary>
    public void EndWord(int start)
    {
        if (start < Length)
            _words.Add(new(start, Length));
    }

    /// <summary>Where some of the normalized characters came from.</summary>
    public TextSpan Source(int start, int end) => new(_sources[start].Start, _sources[end - 1].End);
}
