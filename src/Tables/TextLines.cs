using System.Text;

namespace Serving.Tables;

/// <summary>The lines of a text: LF ends them, also behind a CR; a CR alone is white space.</summary>
public static class TextLines
{
    /// <param name="stream">In UTF-8; closed at the end.</param>
    /// <returns>Lines with their numbers, from 1.</returns>
    /// <exception cref="TableException">While they are read: it is not UTF-8.</exception>
    public static IEnumerable<(long Number, string Text)> Read(Stream stream)
    {
        using var characters = Characters.OfLines(stream);
        var buffer = new StringBuilder();
        for (var number = 1L; characters.ReadLine(buffer) is { } line; number++)
            yield return (number, line);
    }
}
