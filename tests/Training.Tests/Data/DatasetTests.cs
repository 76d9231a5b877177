using System.IO.Compression;
using System.Text;
using Serving.Testing;
using Serving.Training.Data;

namespace Serving.Training.Tests.Data;

public sealed class DatasetTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Read_Tsv_QuotesAreJustQuotes()
    {
        var rows = Read(
            "sentence\tlabel\na \"fine\" film\t1\n\"half a quote\t0\n", DatasetFormat.Tsv,
            new("sentence", Label: "label"));
        Assert.Equal([new("a \"fine\" film", null, "1"), new("\"half a quote", null, "0")], rows);
    }

    [Fact]
    public void Read_Csv_QuotedFieldsMayHaveCommasAndLines()
    {
        var rows = Read(
            "text,label,x\n\"a, \"\"b\"\"\nc\",yes,1\nd,no,2\n", DatasetFormat.Csv, new("text", Label: "label"));
        Assert.Equal([new("a, \"b\"\nc", null, "yes"), new("d", null, "no")], rows);
    }

    [Fact]
    public void Read_Pairs_WithoutHeader_ByNumber()
    {
        var rows = Read("x\tfirst\tsecond\tno\n", DatasetFormat.Tsv, new("2", "3", "4", HasHeader: false));
        Assert.Equal([new("first", "second", "no")], rows);
    }

    [Fact]
    public void Read_JsonLines_TakesNumbersAndSkipsWhatIsNone()
    {
        var problems = new List<DatasetProblem>();
        var rows = Read(
            "{\"t\":\"a\",\"l\":2.5}\nnot json\n{\"t\":\"b\"}\n", DatasetFormat.Jsonl, new("t", Label: "l"), problems);
        Assert.Equal([new("a", null, "2.5")], rows);
        Assert.Equal([new(2, "is no JSON object"), new(3, "has no label")], problems);
    }

    [Fact]
    public void Read_Lines_Gzipped()
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write("one\n\ntwo \uFFFD\n"u8);
        var problems = new List<DatasetProblem>();
        Assert.Equal(
            [new("one", null, null), new("two \uFFFD", null, null)],
            Read(bytes.ToArray(), DatasetFormat.Lines, new(""), problems));
        Assert.Empty(problems);
        Refused(
            "It begins like gzip, but can't be unzipped.", [0x1F, 0x8B, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9],
            DatasetFormat.Lines, new(""));
    }

    [Fact]
    public void Read_RowsThatCannotBeUsed_AreReportedWithTheirLine()
    {
        var problems = new List<DatasetProblem>();
        var rows = Read(
            "text\tlabel\na\t1\n\nb\n\t1\nc\t \nd\t0\n", DatasetFormat.Tsv, new("text", Label: "label"), problems);
        Assert.Equal(["a", "d"], rows.Select(row => row.Text));
        Assert.Equal(
            [
                new(4, "has 1 columns, 2 are needed"), new(5, "has no text"), new(6, "has no label")
            ],
            problems);
    }

    [Fact]
    public void Read_WhatCannotBeRead_SaysWhatIsThere()
    {
        Refused(
            "There is no column 'text'; there are: sentence, label.", "sentence\tlabel\na\t1\n"u8, DatasetFormat.Tsv,
            new("text"));
        Refused(
            "There is no column 'text'; there are: sentence, label.", "sentence,label\na,1\n"u8, DatasetFormat.Csv,
            new("text"));
        Refused(
            "There is no column 'text'; there are: t, l.", "{\"t\":\"a\",\"l\":1}\n"u8, DatasetFormat.Jsonl,
            new("text"));
        Refused(
            "There is no column '3'; without a header, columns are named 1 to 2.", "a\t1\n"u8, DatasetFormat.Tsv,
            new("1", Label: "3", HasHeader: false));
        Refused(
            "Line 3 is not UTF-8. Convert the file, for example with iconv.", [.. "text\nä\nb"u8, 0xFF, (byte)'\n'],
            DatasetFormat.Tsv, new("text"));
    }

    /// <summary>Across the borders of what is read at a time.</summary>
    [Fact]
    public void Read_LongUtf8_IsCheckedToItsEnd()
    {
        var text = new StringBuilder("text\n");
        for (var i = 0; i < 60_000; i++)
            text.Append("aé€😀").Append(i).Append('\n');
        var bytes = Encoding.UTF8.GetBytes(text.ToString());
        Assert.Equal(60_000, Read(bytes, DatasetFormat.Tsv, new("text")).Count);
        bytes[^3] = 0xC3;
        Refused(
            "Line 60001 is not UTF-8. Convert the file, for example with iconv.", bytes, DatasetFormat.Tsv,
            new("text"));
    }

    [Fact]
    public void Import_CountsRowsLabelsAndProblems()
    {
        var file = Write("text\tlabel\nb\t1\na\t0\n\t1\nc\t1\n"u8);
        var target = Directory.CreateDirectory(Path.Combine(_folder.Path, "set")).FullName;

        var manifest = DatasetFolder.Import(
            file, target, "set", DatasetFormat.Tsv, new("text", Label: "label"), mostProblems: 1, mostBytes: 1000,
            CancellationToken.None);

        Assert.Equal((3, 1, true), (manifest.Rows, manifest.Rejected, manifest.HasNumbers));
        Assert.Equal([new("0", 1), new("1", 2)], manifest.Labels);
        Assert.Equal(["b", "a", "c"], DatasetFolder.Rows(target).Select(row => row.Text));
        Assert.Equal(manifest.ToJson(), DatasetManifest.Parse(manifest.ToJson()).ToJson());
        var other = Directory.CreateDirectory(Path.Combine(_folder.Path, "other")).FullName;
        var refused = Assert.Throws<DatasetException>(() => DatasetFolder.Import(
            file, other, "set", DatasetFormat.Tsv, new("text", Label: "label"), mostProblems: 0, mostBytes: 1000,
            CancellationToken.None));
        Assert.Equal(
            "More than 0 rows can't be used. Line 4 has no text. Mend the file, or allow more.", refused.Message);
    }

    /// <summary>Also when it only becomes large when it is unzipped.</summary>
    [Fact]
    public void Import_TooLarge_IsRefusedBeforeItIsRead()
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionLevel.Fastest, leaveOpen: true))
        {
            for (var i = 0; i < 20; i++)
                gzip.Write(new byte[1 << 20]);
        }

        var target = Directory.CreateDirectory(Path.Combine(_folder.Path, "set")).FullName;
        var file = Write(bytes.ToArray());
        var total = Assert.Throws<DatasetTooLargeException>(() => DatasetFolder.Import(
            file, target, "set", DatasetFormat.Lines, new(""), mostProblems: 0, mostBytes: 10 << 20,
            CancellationToken.None));
        Assert.Equal("The file has more than 10485760 bytes; cut it into several.", total.Message);
        Directory.Delete(target, recursive: true);
        Directory.CreateDirectory(target);
        var line = Assert.Throws<DatasetTooLargeException>(() => DatasetFolder.Import(
            file, target, "set", DatasetFormat.Lines, new(""), mostProblems: 0, mostBytes: 1 << 30,
            CancellationToken.None));
        Assert.Equal("Line 1 has more than 16777216 bytes; a row is a line.", line.Message);
    }

    [Fact]
    public void Import_NothingUsable_IsRefused()
    {
        var target = Directory.CreateDirectory(Path.Combine(_folder.Path, "set")).FullName;
        var refused = Assert.Throws<DatasetException>(() => DatasetFolder.Import(
            Write("text\n"u8), target, "set", DatasetFormat.Tsv, new("text"), mostProblems: 5, mostBytes: 1000,
            CancellationToken.None));
        Assert.Equal("The file has no row that can be used.", refused.Message);
    }

    public void Dispose() => _folder.Dispose();

    private string Write(ReadOnlySpan<byte> bytes)
    {
        var path = Path.Combine(_folder.Path, "file");
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private List<DatasetRow> Read(
        string text, DatasetFormat format, DatasetColumns columns, List<DatasetProblem>? problems = null) =>
        Read(Encoding.UTF8.GetBytes(text), format, columns, problems);

    private List<DatasetRow> Read(
        byte[] bytes, DatasetFormat format, DatasetColumns columns, List<DatasetProblem>? problems = null) =>
        [.. DatasetReader.Read(
            Write(bytes), format, columns,
            problem => (problems ?? throw new InvalidOperationException(problem.Message)).Add(problem))];

    private void Refused(string message, ReadOnlySpan<byte> bytes, DatasetFormat format, DatasetColumns columns)
    {
        var path = Write(bytes);
        Assert.Equal(
            message, Assert.Throws<DatasetException>(() => DatasetReader.Read(path, format, columns, _ => { })
                .ToList()).Message);
    }
}
