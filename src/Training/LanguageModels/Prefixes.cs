namespace Serving.Training.LanguageModels;

/// <summary>Pieces of texts that continuations begin from.</summary>
internal static class Prefixes
{
    /// <summary>The first piece of each sequence, then the second of each, and so on; what is shorter is left out.
    /// </summary>
    /// <param name="length">Of a piece.</param>
    public static IEnumerable<ReadOnlyMemory<int>> Of(IReadOnlyList<TokenWindow> windows, int length)
    {
        var most = windows.Count == 0 ? 0 : windows.Max(window => window.Tokens.Length) / length;
        for (var piece = 0; piece < most; piece++)
        {
            foreach (var window in windows.Where(window => window.Tokens.Length >= (piece + 1) * length))
                yield return window.Tokens.AsMemory(piece * length, length);
        }
    }
}
