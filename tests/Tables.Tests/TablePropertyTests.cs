using System.Text;
using CsvHelper;
using FsCheck;
using FsCheck.Fluent;

namespace Serving.Tables.Tests;

/// <summary>Files of every sort of characters, in chunks of every size, against plain readers.</summary>
public sealed class TablePropertyTests
{
    private static readonly Gen<string> Pieces = Gen.Elements(
        "a", "b", ",", "\t", "\"", "\"\"", "\n", "\r", "\r\n", " ", "\0", "\u0085", "\u00A0", "é", "\u200B", "\u2028",
        "\uFEFF", "😀");

    private static readonly Gen<string> Texts =
        from pieces in Gen.ArrayOf(Pieces) select "x" + string.Concat(pieces); // No byte order mark at the beginning.

    private static readonly Gen<string[][]> Tables = Gen.ArrayOf(Gen.NonEmptyListOf(
        from pieces in Gen.ArrayOf(Pieces) select string.Concat(pieces)).Select(fields => fields.ToArray()));

    [Fact]
    public void Csv_OfAnyText_IsReadAsAPlainReaderDoes() => Prop.ForAll(
        Texts.ToArbitrary(), ArbMap.Default.ArbFor<int>(),
        (text, seed) => Assert.Equal(PlainReader.Csv(text), Read(text, seed, TableFormat.Csv)))
        .QuickCheckThrowOnFailure();

    [Fact]
    public void Tsv_OfAnyText_IsReadAsAPlainReaderDoes() => Prop.ForAll(
        Texts.ToArbitrary(), ArbMap.Default.ArbFor<int>(),
        (text, seed) => Assert.Equal(PlainReader.Tsv(text), Read(text, seed, TableFormat.Tsv)))
        .QuickCheckThrowOnFailure();

    [Fact]
    public void Lines_OfAnyText_AreReadAsAPlainReaderDoes() => Prop.ForAll(
        Texts.ToArbitrary(), ArbMap.Default.ArbFor<int>(),
        (text, seed) => Assert.Equal(
            PlainReader.Lines(text, carriageReturnEnds: false),
            TextLines.Read(new ChunkedStream(Encoding.UTF8.GetBytes(text), seed)).Select(line => line.Text)))
        .QuickCheckThrowOnFailure();

    /// <summary>Whatever fields there are: written with quotes, they come back, and another reader agrees.</summary>
    [Fact]
    public void Csv_OfAnyFields_GivesThemBack() => Prop.ForAll(
        Tables.ToArbitrary(), ArbMap.Default.ArbFor<int>(),
        (rows, seed) =>
        {
            var text = string.Concat(rows.Select(row => string.Join(',', row.Select(Quoted)) + "\n"));
            using var table = Table.Open(
                new ChunkedStream(Encoding.UTF8.GetBytes(text), seed), TableFormat.Csv, hasHeader: false);
            Assert.Equal(rows, table.Rows.Select(row => row.Fields));
            using var other = CsvReader.Create(
                Encoding.UTF8.GetBytes(text), new() { Separator = ',', HasHeader = false, SkipEmptyLines = false });
            foreach (var row in rows)
            {
                Assert.True(other.Read());
                Assert.Equal(row, Enumerable.Range(0, other.FieldCount).Select(column => other.GetString(column)));
            }

            Assert.False(other.Read());
        }).QuickCheckThrowOnFailure();

    private static string Quoted(string field) => $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static List<string> Read(string text, int seed, TableFormat format)
    {
        try
        {
            return Rows.Read(new ChunkedStream(Encoding.UTF8.GetBytes(text), seed), format);
        }
        catch (TableException)
        {
            return [Rows.Refused];
        }
    }
}
