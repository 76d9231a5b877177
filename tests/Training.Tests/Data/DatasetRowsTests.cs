using System.IO.Compression;
using Serving.Training.Data;

namespace Serving.Training.Tests.Data;

/// <summary>What is a row, and which can't be used.</summary>
public sealed class DatasetRowsTests : IDisposable
{
    private readonly DatasetFiles _files = new();

    [Theory]
    [InlineData(DatasetFormat.Tsv, "\t")]
    [InlineData(DatasetFormat.Csv, ",")]
    public void MoreFieldsThanTheHeader_LeaveTheRowOut(DatasetFormat format, string separator)
    {
        var (rows, problems) = _files.Read(
            "text,label\ngood, really,pos\nbad,neg,\nfine,pos\n".Replace(",", separator, StringComparison.Ordinal),
            format);
        Assert.Equal(["fine|pos"], rows);
        Assert.Equal(["2 has 3 columns, the header has 2", "3 has 3 columns, the header has 2"], problems);
    }

    [Theory]
    [InlineData(DatasetFormat.Tsv, "\t")]
    [InlineData(DatasetFormat.Csv, ",")]
    public void MoreFieldsThanTheFirstRow_WithoutAHeader_LeaveTheRowOut(DatasetFormat format, string separator)
    {
        var (rows, problems) = _files.Read(
            "good,pos\nbad,really,neg\n".Replace(",", separator, StringComparison.Ordinal), format,
            new("1", Label: "2", HasHeader: false));
        Assert.Equal(["good|pos"], rows);
        Assert.Equal(["2 has 3 columns, others have 2"], problems);
    }

    [Theory]
    [InlineData("cut off")]
    [InlineData("one\ttoo\tmany")]
    public void FirstRowOfAnotherLength_WithoutAHeader_IsLeftOutItself(string first)
    {
        var (rows, problems) = _files.Read(
            $"{first}\ngood\tpos\nbad\tneg\n", DatasetFormat.Tsv, new("1", Label: "2", HasHeader: false));
        Assert.Equal(["good|pos", "bad|neg"], rows);
        Assert.StartsWith("1 has ", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("504B0304FF", "It is a ZIP archive")]
    [InlineData("425A6839FF", "It is compressed by bzip2")]
    [InlineData("FD377A585A00", "It is compressed by xz")]
    [InlineData("28B52FFD", "It is compressed by zstd")]
    [InlineData("50415231FF", "It is Parquet")]
    public void FilesThatAreNoText_AreNamed(string bytes, string message) => Assert.StartsWith(
        message, _files.Refused(Convert.FromHexString(bytes), DatasetFormat.Tsv), StringComparison.Ordinal);

    [Theory]
    [InlineData("text\tlabel \na\tx\n", "There is no column 'label'; there are: text, 'label '.")]
    [InlineData("text\tlabel\r\r\na\tx\r\r\n", "There is no column 'label'; there are: text, 'label\\u000D'.")]
    [InlineData("\uFEFF\uFEFFtext\tlabel\na\tx\n", "There is no column 'text'; there are: '\\uFEFFtext', label.")]
    public void ColumnsThatOnlyLookLikeTheWantedOne_AreShownAsTheyAre(string text, string message) =>
        Assert.Equal(message, _files.Refused(text, DatasetFormat.Tsv));

    [Fact]
    public void FileThatIsGzippedTwice_IsNamed() => Assert.Equal(
        "It is gzipped twice; unzip it once.", _files.Refused(Zipped(Zipped([.. "text\n"u8])), DatasetFormat.Tsv));

    [Fact]
    public void PointerOfGitLfs_IsNoCorpus() => Assert.StartsWith(
        "It is a pointer of Git LFS",
        _files.Refused("version https://git-lfs.github.com/spec/v1\nsize 5\n", DatasetFormat.Lines, new("")),
        StringComparison.Ordinal);

    [Fact]
    public void FewerFieldsThanTheHeader_AreEnough_WhereNoneIsNeeded()
    {
        var (rows, problems) = _files.Read("text,label,note\ngood,pos\nbad\n", DatasetFormat.Csv);
        Assert.Equal(["good|pos"], rows);
        Assert.Equal(["3 has 1 columns, 2 are needed"], problems);
    }

    [Fact]
    public void QuoteThatIsNotClosed_IsRefused_HoweverManyRowsMayBeBad() => Assert.Equal(
        "Line 3 opens a quote that nothing closes. Close it, or double it if it is text.",
        _files.Refused("text,label\ngood,pos\nbad,\"neg\nfine,pos\n", DatasetFormat.Csv));

    [Fact]
    public void QuoteThatIsClosedInAnotherRow_IsRefused() => Assert.Equal(
        "Line 2 opens a quote that line 4 closes within a field. Close it on its line, or double it if it is text.",
        _files.Refused("text,label\n\"good,pos\nbad,neg\n\"fine, too\",pos\n", DatasetFormat.Csv));

    [Theory]
    [InlineData(DatasetFormat.Tsv, "text\tlabel\n\na\tx\n \n\u00A0\nb\ty\n\n")]
    [InlineData(DatasetFormat.Csv, "text,label\n\na,x\n \n\u00A0\nb,y\n\n")]
    [InlineData(
        DatasetFormat.Jsonl, "\n{\"text\":\"a\",\"label\":\"x\"}\n\t\n\r\n{\"text\":\"b\",\"label\":\"y\"}\n\n")]
    public void BlankLines_AreNoRows(DatasetFormat format, string text)
    {
        var (rows, problems) = _files.Read(text, format);
        Assert.Equal(["a|x", "b|y"], rows);
        Assert.Empty(problems);
    }

    [Fact]
    public void BlankLines_OfACorpus_AreNoRows()
    {
        var (rows, problems) = _files.Read("one\n\n \t\ntwo\n", DatasetFormat.Lines, new(""));
        Assert.Equal(["one", "two"], rows);
        Assert.Empty(problems);
    }

    [Fact]
    public void LinesOfProblems_CountBlankOnesAndThoseWithinFields()
    {
        var (_, problems) = _files.Read("text,label\n\n\"a\nb\",x\n\nc,\n", DatasetFormat.Csv);
        Assert.Equal(["6 has no label"], problems);
    }

    [Theory]
    [InlineData("\u200B")]
    [InlineData("\u200D \u2060")]
    [InlineData("\u00AD")]
    [InlineData("\u0007\u0000")]
    [InlineData("\uFFFD")]
    [InlineData("\u0301")]
    [InlineData("\u2028")]
    [InlineData("\u3000")]
    public void TextOfNothingThatIsRead_IsNoText(string text)
    {
        var (rows, problems) = _files.Read($"text\tlabel\na\tx\n{text}\ty\nb\t{text}\n", DatasetFormat.Tsv);
        Assert.Equal(["a|x"], rows);
        Assert.Equal(["3 has no text", "4 has no label"], problems);
        Assert.Equal(
            ["2 has no second text"],
            _files.Read($"text\tother\na\t{text}\nb\tc\n", DatasetFormat.Tsv, new("text", "other")).Problems);
    }

    [Fact]
    public void LoneCarriageReturn_IsWhiteSpace()
    {
        Assert.Equal(
            ["one\rdocument", "two"], _files.Read("one\rdocument\r\ntwo\r", DatasetFormat.Lines, new("")).Rows);
        Assert.Equal(
            ["a\rb|x", "c|y"], _files.Read("text\tlabel\na\rb\tx\nc\ty", DatasetFormat.Tsv).Rows);
        Assert.Equal(
            ["a|x", "c|y"],
            _files.Read("{\"text\":\"a\",\r\"label\":\"x\"}\n{\"text\":\"c\",\"label\":\"y\"}\r\n", DatasetFormat.Jsonl)
                .Rows);
    }

    [Fact]
    public void TwoColumnsOfAName_AreRefused_UnlessNobodyAsksForThem()
    {
        Assert.Equal(
            "There are 2 columns 'label'; rename all but the one that is meant.",
            _files.Refused("text\tlabel\tlabel\na\tx\ty\n", DatasetFormat.Tsv));
        Assert.Equal(["a|x"], _files.Read("text\tlabel\tnote\tnote\na\tx\ty\tz\n", DatasetFormat.Tsv).Rows);
    }

    [Fact]
    public void JsonColumns_AreThoseOfAllRows()
    {
        var (rows, problems) = _files.Read(
            "{\"text\":\"a\"}\n{\"text\":\"b\",\"label\":\"x\"}\n{\"label\":\"y\"}\n", DatasetFormat.Jsonl);
        Assert.Equal(["b|x"], rows);
        Assert.Equal(["1 has no label", "3 has no text"], problems);
        Assert.Equal(
            "There is no column 'label'; there are: text, note.",
            _files.Refused("{\"text\":\"a\"}\nno json\n{\"text\":\"b\",\"note\":1}\n", DatasetFormat.Jsonl));
    }

    [Fact]
    public void JsonValues_ThatAreNoTexts_AreNamed()
    {
        var (rows, problems) = _files.Read(
            """
            {"text":["a","b"],"label":"x"}
            {"text":"a","label":{"b":1}}
            {"text":"a \ud83d b","label":"x"}
            {"text":"a","text":"b","label":"x"}
            [{"text":"a","label":"x"}]
            {"text":"a","label":true}
            {"text":"b","label":1}
            {"text":2.0,"label":1.0}
            """, DatasetFormat.Jsonl);
        Assert.Equal(["a|true", "b|1", "2.0|1"], rows);
        Assert.Equal(
            [
                "1 has a list as 'text'; a string, a number, true or false is needed",
                "2 has an object as 'label'; a string, a number, true or false is needed",
                "3 has half of a surrogate pair in 'text', which is no Unicode",
                "4 has two fields 'text'",
                "5 is JSON, but no object"
            ],
            problems);
    }

    public void Dispose() => _files.Dispose();

    private static byte[] Zipped(byte[] bytes)
    {
        using var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return zipped.ToArray();
    }
}
