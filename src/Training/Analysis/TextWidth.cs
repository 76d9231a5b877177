using System.Text;

namespace Serving.Training.Analysis;

/// <summary>How wide text is, estimated without the font: about as wide as in DejaVu Sans, one of the widest.</summary>
internal static class TextWidth
{
    /// <returns>In units of the font's size.</returns>
    public static double Of(string text) => text.EnumerateRunes().Sum(Of);

    private static double Of(Rune rune) => rune.Value switch
    {
        ' ' or '!' or '\'' or ',' or '.' or ':' or ';' or '|' or 'i' or 'j' or 'l' or 'I' => 0.35,
        '(' or ')' or '[' or ']' or '-' or '/' or 'f' or 'r' or 't' => 0.42,
        'm' or 'M' or 'W' or '%' or '@' => 1.0,
        'w' or '+' or '<' or '=' or '>' or '~' => 0.84,
        >= 'A' and <= 'Z' => 0.78,
        < 0x2E80 => 0.64,
        _ => 1.2 // Ideographs, emoji.
    };
}
