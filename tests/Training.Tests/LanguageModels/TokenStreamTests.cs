using Serving.Testing;
using Serving.Text.Bpe;
using Serving.Text.Trainers;
using Serving.Training.LanguageModels;

namespace Serving.Training.Tests.LanguageModels;

public sealed class TokenStreamTests : IDisposable
{
    private const int End = 256;

    private static readonly BpeTokenizer Bytes = BpeTrainer.Train([], new() { VocabularySize = 257 });

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Windows_PredictEachTokenOnce()
    {
        using var stream = Open("ab", "", "cdé");

        // End a b End End c d é é End: the first is not predicted.
        var expected = new[] { 97, 98, End, End, 99, 100, 0xC3, 0xA9, End };
        Assert.Equal((10, 3, 8), (stream.Tokens, stream.Documents, stream.Characters)); // 2 + 0 + 3, and 3 ends.
        Assert.Equal([.. expected.Prepend(End)], stream.Read(0, 10));
        foreach (var length in (int[])[1, 2, 4, 5, 8, 9, 20])
        {
            var windows = new TokenWindows(stream, length);
            var all = Enumerable.Range(0, windows.Count).Select(i => windows[i]).ToList();
            Assert.Equal(expected, all.SelectMany(window => window.Labels.ToArray()));
            Assert.All(all, window => Assert.InRange(window.Count, 1, length));
            Assert.All(all, window => Assert.Equal(window.Inputs[1..].ToArray(), window.Labels[..^1].ToArray()));
        }
    }

    [Fact]
    public void Windows_KnowTheirDocuments()
    {
        using var stream = Open("ab", "", "cdé");
        var windows = new TokenWindows(stream, 2);

        // Predicted are a b, End End, c d, é é, End.
        Assert.Equal(
            [[0], [0, 1], [2], [2], [2]], Enumerable.Range(0, windows.Count).Select(i => windows.Documents(i)));
    }

    [Fact]
    public void Open_AFileOfSomethingElse_IsRefused()
    {
        File.WriteAllText(_folder.At("tokens"), new string('x', 100));
        Assert.Throws<IOException>(() => TokenStream.Open(_folder.At("tokens")));
        using (var stream = Open("abc"))
            Assert.Equal(5, stream.Tokens);
        using (var file = File.OpenWrite(_folder.At("tokens")))
            file.SetLength(file.Length - 8);
        Assert.Throws<IOException>(() => TokenStream.Open(_folder.At("tokens")));
    }

    private TokenStream Open(params string[] documents)
    {
        TokenStream.Write(_folder.At("tokens"), documents, Bytes, End);
        return TokenStream.Open(_folder.At("tokens"));
    }
}
