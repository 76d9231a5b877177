using System.IO.Compression;
using System.Text;
using Serving.Testing;
using Serving.Training.Data;

namespace Serving.Training.Tests.Data;

public sealed class GzipFileTests : IDisposable
{
    private const string EndsEarly =
        "The gzip file ends early, or has something else behind its end. Send the whole file.";

    private readonly DatasetFiles _files = new();

    [SharedFact("cases/f01-truncated.tsv.gz")]
    public void HandedFile_ThatBreaksOff_IsRefused() => Assert.Equal(
        EndsEarly,
        DatasetFiles.RefusedFile(
            SharedFiles.At("cases/f01-truncated.tsv.gz"), DatasetFormat.Tsv, DatasetFiles.Labelled));

    [SharedFact("cases/f04-crc-wrong.tsv.gz")]
    public void HandedFile_WithAWrongChecksum_IsRefused() => Assert.Equal(
        "It begins like gzip, but can't be unzipped.",
        DatasetFiles.RefusedFile(
            SharedFiles.At("cases/f04-crc-wrong.tsv.gz"), DatasetFormat.Tsv, DatasetFiles.Labelled));

    [SharedFact("cases/f02-two-members.tsv.gz")]
    public void HandedFile_OfTwoMembers_IsReadWhole()
    {
        var (rows, problems) = DatasetFiles.ReadFile(
            SharedFiles.At("cases/f02-two-members.tsv.gz"), DatasetFormat.Tsv, DatasetFiles.Labelled);
        Assert.Equal(["good film|pos", "bad film|neg"], rows);
        Assert.Empty(problems);
    }

    /// <summary>Of each way to store it: compressed, and as it is.</summary>
    [Theory]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.NoCompression)]
    public void File_ThatBreaksOff_IsRefusedWhereverItDoes(CompressionLevel level)
    {
        byte[] whole = [.. Zipped("text\tlabel\na good film\tpos\n", level), .. Zipped("a bad film\tneg\n", level)];
        var first = Zipped("text\tlabel\na good film\tpos\n", level).Length;
        Assert.Equal(2, Unzipped(whole).Count('\n') - 1);
        for (var length = 3; length < whole.Length; length++)
        {
            var cut = whole[..length];
            if (length == first)
                Assert.Equal("text\tlabel\na good film\tpos\n", Unzipped(cut)); // A whole file by itself.
            else
                Assert.Throws<DatasetException>(() => Unzipped(cut));
        }
    }

    [Theory]
    [InlineData("x")]
    [InlineData("\0\0\0\0")]
    [InlineData("\u001F")]
    public void File_WithSomethingBehindItsEnd_IsRefused(string more) => Assert.Equal(
        EndsEarly,
        _files.Refused([.. Zipped("one\n", CompressionLevel.Fastest), .. Encoding.UTF8.GetBytes(more)],
            DatasetFormat.Lines));

    /// <summary>Wherever the end of a member falls among the blocks that are read of the file.</summary>
    [Fact]
    public void Members_OfAnyLength_AreReadWhole()
    {
        var random = new Random(5);
        for (var length = 8100; length < 8200; length++)
        {
            var bytes = new byte[length];
            random.NextBytes(bytes);
            var text = Convert.ToBase64String(bytes)[..length];
            byte[] zipped =
                [.. Zipped(text, CompressionLevel.NoCompression), .. Zipped("end", CompressionLevel.NoCompression)];
            Assert.Equal(text + "end", Unzipped(zipped));
            Assert.Throws<DatasetException>(() => Unzipped(zipped[..^1]));
        }
    }

    [Fact]
    public void EmptyFile_IsEmpty() => Assert.Equal("", Unzipped(Zipped("", CompressionLevel.Fastest)));

    public void Dispose() => _files.Dispose();

    private static string Unzipped(byte[] bytes)
    {
        using var reader = new StreamReader(new GzipFile(new MemoryStream(bytes)));
        return reader.ReadToEnd();
    }

    private static byte[] Zipped(string text, CompressionLevel level)
    {
        using var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, level))
            gzip.Write(Encoding.UTF8.GetBytes(text));
        return zipped.ToArray();
    }
}
