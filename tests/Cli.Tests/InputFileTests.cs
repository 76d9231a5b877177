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
    public void NoHeader_TheFirstRowOfAnotherLength_IsTheBadOne() => Assert.Contains(
        "line 1 has 3 columns; others have 2.",
        Assert.Throws<CommandException>(() => Read(
            "x.tsv", "a\tb\tc\nd\te\nf\tg\n", new("1", null, "2", HasHeader: false))).Message,
        StringComparison.Ordinal);

    [Fact]
    public void JsonLines_FieldsByName()
    {
        var rows = Read("x.jsonl", "{\"q\":\"a\",\"label\":1}\n\n{\"q\":\"b\"}\n", Usual with { Text = "q" });
        Assert.Equal([new InputRow("a", null, "1"), new("b", null, null)], rows);
    }

    [Theory]
    [InlineData("x.tsv", "a\tb\n1\t2\n", "has no column 'text'; it has a, b.")]
    [InlineData("x.tsv", "text\tlabel\nonly\n", "line 2 has 1 columns; 2 are needed.")]
    [InlineData("x.tsv", "text\n", "has no texts.")]
    [InlineData("x.jsonl", "{\"text\":", "line 1 is no JSON object")]
    [InlineData("x.jsonl", "{\"x\":1}", "has no column 'text'; it has x.")]
    [InlineData("x.csv", "text,label\na,b,c\n", "line 2 has 3 columns; others have 2.")]
    [InlineData("x.tsv", "text\tlabel\n\na\tb\tc\n", "line 3 has 3 columns; others have 2.")]
    [InlineData("x.csv", "text,label\n\"a,b\nc,d\n", "Line 2 opens a quote that nothing closes.")]
    [InlineData("x.csv", "text,label\n\"a\"b,c\n", "line 2 has text behind a closing quote")]
    [InlineData("x.csv", "text,text\na,b\n", "has 2 columns 'text'; rename all but the one that is meant.")]
    [InlineData("x.tsv", "text\tsentence\na\tb\n", "has the columns text, sentence; say which is meant")]
    [InlineData("x.jsonl", "{\"text\":\"a\"}\n{\"text\":[\"a\"]}", "line 2 has a list as 'text'")]
    [InlineData("x.jsonl", "{\"text\":\"\\ud83d\"}", "line 1 has half of a surrogate pair in 'text'")]
    [InlineData("x.jsonl", "{\"text\":\"a\"}\n{\"label\":\"b\"}", "line 2 has no text")]
    [InlineData("x.jsonl", "{\"text\":\"a\",\"text\":\"b\"}", "line 1 has two fields 'text'")]
    [InlineData("x.xlsx", "", "ends in '.xlsx'; .tsv, .csv and .jsonl can be read.")]
    public void BadFiles_SayWhatIsNeeded(string name, string contents, string message) =>
        Assert.Contains(
            message, Assert.Throws<CommandException>(() => Read(name, contents, Usual)).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("x.tsv", "text\tlabel\n\na\rb\t1\n \nc\t1.0\n")]
    [InlineData("x.csv", "text,label\n\na\rb,1\n \nc,1.0\n")]
    public void BlankLines_AreNoRows_AndALoneCarriageReturnIsWhiteSpace(string name, string contents) => Assert.Equal(
        [new InputRow("a\rb", null, "1"), new("c", null, "1.0")], Read(name, contents, Usual));

    [Fact]
    public void JsonLabels_AreSpelledAsJson_AndEqualNumbersAreOne() => Assert.Equal(
        ["true", "1", "1", null],
        Read("x.jsonl", "{\"text\":\"a\",\"label\":true}\n{\"text\":\"b\",\"label\":1.0}\n"
            + "{\"text\":\"b\",\"label\":1}\n{\"text\":\"c\"}", Usual).Select(row => row.Label));

    [Fact]
    public void OtherEncodings_AreRefused_UnlessAMarkNamesThem()
    {
        File.WriteAllBytes(_folder.At("x.tsv"), [.. "text\nb"u8, 0xE4, .. "d\n"u8]);
        var refused = Assert.Throws<CommandException>(() => InputFile.Read(_folder.At("x.tsv"), Usual));
        Assert.Contains("It is not UTF-8", refused.Message, StringComparison.Ordinal);
        File.WriteAllText(_folder.At("x.tsv"), "text\nbäd\n", System.Text.Encoding.Unicode);
        Assert.Equal("bäd", InputFile.Read(_folder.At("x.tsv"), Usual).Single().Text);
    }

    [SharedFact("cases")]
    public void HandedFiles_AreReadOrRefusedAsTheyAre()
    {
        foreach (var (name, message) in ((string, string)[])
        [
            ("d09-duplicate-header.csv", "has 2 columns 'text'"),
            ("d11-token-lists.jsonl", "line 1 has a list as 'text'"),
            ("d13-lone-surrogate.jsonl", "line 1 has half of a surrogate pair"),
            ("d17-unclosed-quote.csv", "Line 2 opens a quote"), ("e09-unclosed-quote.csv", "Line 3 opens a quote")
        ])
        {
            Assert.Contains(
                message,
                Assert.Throws<CommandException>(() => InputFile.Read(SharedFiles.At($"cases/{name}"), Usual)).Message,
                StringComparison.Ordinal);
        }

        Assert.Equal(
            ["true", "false", "1", "1"],
            InputFile.Read(SharedFiles.At("cases/d12-bool-number-labels.jsonl"), Usual).Select(row => row.Label));
        Assert.Equal(3, InputFile.Read(SharedFiles.At("cases/d15-lone-cr.tsv"), Usual).Count);
        Assert.Equal(2, InputFile.Read(SharedFiles.At("cases/d05-blank-lines.csv"), Usual).Count);
        Assert.Equal(2, InputFile.Read(SharedFiles.At("cases/d07-blank-lines.jsonl"), Usual).Count);
    }

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
