using FsCheck;
using FsCheck.Fluent;
using Serving.Text;
using Serving.Text.Bert;
using Serving.Training.Data;

namespace Serving.Training.Tests.Data;

/// <summary>Files of all sorts of rows: what is read and what is left out are together what the file has.</summary>
public sealed class DatasetPropertyTests : IDisposable
{
    private static readonly BertTokenizer Uncased = new(new(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]));

    /// <summary>Without tabs, commas, quotes and line feeds, which are the tables'.</summary>
    private static readonly Gen<string> Fields =
        from pieces in Gen.ArrayOf(Gen.Elements(
            "a", "b", " ", "\r", "\0", "\u0085", "\u00A0", "é", "\u0301", "\u200B", "\u2028", "\uFEFF", "\uFFFD", "😀"))
        select string.Concat(pieces).TrimEnd('\r');

    private static readonly Gen<string[][]> Tables = Gen.ArrayOf(
        from count in Gen.Choose(0, 4)
        from fields in Gen.ArrayOf(Fields, count)
        select fields);

    private readonly DatasetFiles _files = new();

    [Fact]
    public void Tables_LoseNoRow() => Prop.ForAll(
        Tables.ToArbitrary(), ArbMap.Default.ArbFor<bool>(),
        (rows, isCsv) =>
        {
            var separator = isCsv ? "," : "\t";
            var lines = rows.Select(row => string.Join(separator, row)).ToList();
            var (read, problems) = _files.Read(
                $"text{separator}label\n{string.Concat(lines.Select(line => line + "\n"))}",
                isCsv ? DatasetFormat.Csv : DatasetFormat.Tsv);

            var there = rows.Zip(lines).Where(row =>
                row.First.Length > 1 || !string.IsNullOrWhiteSpace(row.Second)).Select(row => row.First).ToList();
            Assert.Equal(
                there.Where(row => row.Length == 2 && row.All(field => TextContent.HasWords(field)))
                    .Select(row => $"{row[0]}|{row[1]}"),
                read);
            Assert.Equal(there.Count, read.Count + problems.Count);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Lines_LoseNoRow() => Prop.ForAll(
        Gen.ArrayOf(Fields).ToArbitrary(),
        lines =>
        {
            var (read, problems) = _files.Read(
                "x\n" + string.Concat(lines.Select(line => line + "\n")), DatasetFormat.Lines, new(""));
            Assert.Equal(lines.Where(line => TextContent.HasWords(line)).Prepend("x"), read);
            Assert.Equal(lines.Count(line => !string.IsNullOrWhiteSpace(line)) + 1, read.Count + problems.Count);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void JsonLines_LoseNoRow()
    {
        var values = Gen.Elements(
            "\"a\"", "\"\"", "\"\\u200b\"", "\"\\ud83d\"", "\"\\ud83d\\ude00\"", "1", "1.0", "true", "null", "[1]",
            "{}", "x");
        var rows = Gen.ArrayOf(Gen.OneOf(
            from text in values from label in values select $"{{\"text\":{text},\"label\":{label}}}",
            Gen.Elements("", " ", "\t", "[]", "1", "{", "{\"label\":\"x\"}", "{\"text\":\"a\",\"text\":\"b\"}")));
        Prop.ForAll(rows.ToArbitrary(), lines =>
        {
            const string first = "{\"text\":\"a\",\"label\":\"x\"}\n"; // So that all columns are there.
            var (read, problems) = _files.Read(first + string.Join('\n', lines), DatasetFormat.Jsonl);
            Assert.Equal(lines.Count(line => !string.IsNullOrWhiteSpace(line)) + 1, read.Count + problems.Count);
            Assert.All(read, row => Assert.DoesNotContain("[", row, StringComparison.Ordinal));
        }).QuickCheckThrowOnFailure();
    }

    /// <summary>What passes at upload has tokens in every job.</summary>
    [Fact]
    public void Texts_ThatHaveWords_HaveTokens() => Prop.ForAll(
        Gen.OneOf(Fields, ArbMap.Default.GeneratorFor<string?>().Select(text => text ?? "")).ToArbitrary(),
        text => Assert.True(
            !TextContent.HasWords(text) || Uncased.Tokenize(text).Count > 0, text)).QuickCheckThrowOnFailure();

    public void Dispose() => _files.Dispose();
}
