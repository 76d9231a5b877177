using Serving.Testing;

namespace Serving.Cli.Tests;

public sealed class InputFileTests : IDisposable
{
    private static readonly InputColumns Usual = new(Text: null, Pair: null, Label: null, HasHeader: true);

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Tsv_QuotesAreText()
    {
        var rows = Read("x.tsv", "sentence\tlabel\n\"good\" film\t1\nbad, \"bad\tneg\n", Usual);
        Assert.Equal([new InputRow("\"good\" film", null, "1"), new("bad, \"bad", null, "neg")], rows);
    }

    [Fact]
    public void Csv_QuotedFieldsMayHoldSeparators()
    {
        var rows = Read("x.csv", "id,text,pair,label\n1,\"a, b\",c,0\n", Usual);
        Assert.Equal([new InputRow("a, b", "c", "0")], rows);
    }

    [Fact]
    public void NoHeader_ColumnsGoByNumber()
    {
        var rows = Read("x.tsv", "gj04\t1\t\tOur friends.\n", new("4", null, "2", HasHeader: false));
        Assert.Equal([new InputRow("Our friends.", null, "1")], rows);
    }

    [Fact]
    public void JsonLines_FieldsByName()
    {
        var rows = Read("x.jsonl", "{\"q\":\"a\",\"label\":1}\n\n{\"q\":\"b\"}\n", Usual with { Text = "q" });
        Assert.Equal([new InputRow("a", null, "1"), new("b", null, null)], rows);
    }

    [Theory]
    [InlineData("x.tsv", "a\tb\n1\t2\n", "has no column 'text'; it has a, b.")]
    [InlineData("x.tsv", "text\tlabel\nonly\n", "text number 1 has 1 columns; 2 are needed.")]
    [InlineData("x.tsv", "text\n", "has no texts.")]
    [InlineData("x.jsonl", "{\"text\":", "line 1 is no JSON object")]
    [InlineData("x.jsonl", "{\"x\":1}", "line 1 has no text")]
    [InlineData("x.xlsx", "", "ends in '.xlsx'; .tsv, .csv and .jsonl can be read.")]
    public void BadFiles_SayWhatIsNeeded(string name, string contents, string message) =>
        Assert.Contains(
            message, Assert.Throws<CommandException>(() => Read(name, contents, Usual)).Message,
            StringComparison.Ordinal);

    [SharedFact("data/sst2/dev.tsv")]
    public void Sst2_IsReadAsItIs()
    {
        var rows = InputFile.Read(SharedFiles.At("data/sst2/dev.tsv"), Usual);
        Assert.Equal(872, rows.Count);
        Assert.All(rows, row => Assert.Contains(row.Label, new[] { "0", "1" }));
    }

    public void Dispose() => _folder.Dispose();

    private IReadOnlyList<InputRow> Read(string name, string contents, InputColumns columns)
    {
        File.WriteAllText(_folder.At(name), contents);
        return InputFile.Read(_folder.At(name), columns);
    }
}
