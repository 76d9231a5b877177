using Serving.Testing;
using Serving.Training.Data;

namespace Serving.Training.Tests.Data;

/// <summary>Files that people have brought, see the README of the shared folder's cases.</summary>
public sealed class HandedDatasetsTests
{
    private static readonly DatasetColumns Labelled = DatasetFiles.Labelled;

    [SharedFact("cases/e09-unclosed-quote.csv")]
    public void QuoteThatIsNotClosed_IsRefusedWithItsLine()
    {
        foreach (var (name, line) in ((string, int)[])[("d17-unclosed-quote", 2), ("e09-unclosed-quote", 3)])
        {
            Assert.Equal(
                $"Line {line} opens a quote that nothing closes. Close it, or double it if it is text.",
                DatasetFiles.RefusedFile(At($"{name}.csv"), DatasetFormat.Csv, Labelled));
        }
    }

    [SharedFact("cases/e01-zero-width-row.tsv")]
    public void RowOfZeroWidth_HasNoText()
    {
        var (rows, problems) = Read("e01-zero-width-row.tsv", DatasetFormat.Tsv);
        Assert.Equal(60, rows.Count);
        Assert.Equal(["62 has no text"], problems);
    }

    [SharedFact("cases/d11-token-lists.jsonl")]
    public void Lists_AreNoTexts()
    {
        var (rows, problems) = Read("d11-token-lists.jsonl", DatasetFormat.Jsonl);
        Assert.Empty(rows);
        Assert.Equal(2, problems.Count);
        Assert.StartsWith("1 has a list as 'text'", problems[0], StringComparison.Ordinal);
    }

    [SharedFact("cases/d12-bool-number-labels.jsonl")]
    public void Labels_AreSpelledAsJson_AndEqualNumbersAreOne()
    {
        Assert.Equal(
            ["a|true", "b|false", "c|1", "d|1"], Read("d12-bool-number-labels.jsonl", DatasetFormat.Jsonl).Rows);
        Assert.Equal(
            ["0", "1", "false"],
            Read("e08-label-spellings.jsonl", DatasetFormat.Jsonl).Rows
                .Select(row => row.Split('|')[1]).Distinct().Order(StringComparer.Ordinal));
    }

    [SharedFact("cases/d05-blank-lines.csv")]
    public void BlankLines_AreNoRows()
    {
        Assert.Equal(["good film|pos", "bad film|neg"], All("d05-blank-lines.csv", DatasetFormat.Csv));
        Assert.Equal(["a|x", "b|y"], All("d07-blank-lines.jsonl", DatasetFormat.Jsonl));
    }

    [SharedFact("cases/f06-lone-cr.txt")]
    public void LoneCarriageReturn_SplitsNoLine()
    {
        var (rows, problems) = DatasetFiles.ReadFile(At("f06-lone-cr.txt"), DatasetFormat.Lines, new(""));
        Assert.Equal(["first document\rgoes on here", "second"], rows);
        Assert.Empty(problems);
        Assert.Equal(["good \u2028 film|pos", "old mac\rline|neg", "x|neg"], All("d15-lone-cr.tsv", DatasetFormat.Tsv));
    }

    [SharedFact("cases/d14-first-row-lacks-label.jsonl")]
    public void FirstRow_DoesNotSayWhichColumnsThereAre()
    {
        var (rows, problems) = Read("d14-first-row-lacks-label.jsonl", DatasetFormat.Jsonl);
        Assert.Equal(["a|x", "b|y"], rows);
        Assert.Equal(["1 has no label"], problems);
    }

    [SharedFact("cases/d09-duplicate-header.csv")]
    public void TwoColumnsOfAName_AreRefused() => Assert.Equal(
        "There are 2 columns 'text'; rename all but the one that is meant.",
        DatasetFiles.RefusedFile(At("d09-duplicate-header.csv"), DatasetFormat.Csv, Labelled));

    [SharedFact("cases/d13-lone-surrogate.jsonl")]
    public void HalfOfASurrogatePair_IsNamed() => Assert.Equal(
        ["1 has half of a surrogate pair in 'text', which is no Unicode"],
        Read("d13-lone-surrogate.jsonl", DatasetFormat.Jsonl).Problems);

    [SharedFact("cases/d01-bom-crlf.csv")]
    public void MarksLineEndsAndQuotes_AreReadAsTheyAreMeant()
    {
        Assert.Equal(["nice film|pos", "bad film|neg"], All("d01-bom-crlf.csv", DatasetFormat.Csv));
        Assert.Equal(["nice, film|pos", "bad \"film\"|neg"], All("d02-bom-quoted-header.csv", DatasetFormat.Csv));
        Assert.Equal(
            ["two\nlines, one cell|pos", "cr\rinside|neg", "crlf\r\ninside|neg"],
            All("d03-embedded-newlines.csv", DatasetFormat.Csv));
        Assert.Equal(["5\" disk is fine|pos", "the \"best\" one|neg"], All("d04-stray-quotes.csv", DatasetFormat.Csv));
        Assert.Equal(["NA|null", "None|nan", "null|NA"], All("d08-null-words.csv", DatasetFormat.Csv));
        Assert.Equal(["good|pos", "bad|neg"], All("d16-no-final-newline.tsv", DatasetFormat.Tsv));
        Assert.Equal(["a \"b\", c|x", " padded |y"], All("d26-doubled-quotes.csv", DatasetFormat.Csv));
        Assert.Equal(["old mac|a", "second|b"], All("d27-cr-only.csv", DatasetFormat.Csv));
        Assert.Equal(["he said \"a,b\"\nand left|1", "tab\tinside|0"], All("d31-mixed.csv", DatasetFormat.Csv));
        Assert.Equal(["a|x", "b|y"], All("f03-bom.jsonl", DatasetFormat.Jsonl));
    }

    [SharedFact("cases/d20-utf16.csv")]
    public void OtherEncodings_AreRefused()
    {
        foreach (var (name, line) in ((string, int)[])[("d19-latin1.csv", 2), ("d20-utf16.csv", 1)])
        {
            Assert.Equal(
                $"Line {line} is not UTF-8. Convert the file, for example with iconv.",
                DatasetFiles.RefusedFile(At(name), DatasetFormat.Csv, Labelled));
        }
    }

    private static string At(string name) => SharedFiles.At($"cases/{name}");

    private static (List<string> Rows, List<string> Problems) Read(string name, DatasetFormat format) =>
        DatasetFiles.ReadFile(At(name), format, Labelled);

    private static List<string> All(string name, DatasetFormat format)
    {
        var (rows, problems) = Read(name, format);
        Assert.Empty(problems);
        return rows;
    }
}
