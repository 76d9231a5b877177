using System.Text;

namespace Serving.Tables.Tests;

public sealed class TableTests
{
    [Fact]
    public void Csv_QuotedFields_HaveCommasQuotesAndLineEnds() => Assert.Equal(
        ["1:a, \"b\"\nc|yes", "3:d\r\ne|f\rg", "5:|"],
        Rows.Read("\"a, \"\"b\"\"\nc\",yes\n\"d\r\ne\",\"f\rg\"\n\"\",\n", TableFormat.Csv));

    [Fact]
    public void Csv_QuotesWithinAField_AreText() =>
        Assert.Equal(["1:5\" disk|a \"b\" c"], Rows.Read("5\" disk,a \"b\" c", TableFormat.Csv));

    [Theory]
    [InlineData("a\n\"b,c\nd,e\n", 2)]
    [InlineData("a\n\n\"b\nc\",\"d\ne,f\n", 4)]
    [InlineData("\"a", 1)]
    [InlineData("a\"\n\"\"\"b\"\",\n", 2)]
    public void Csv_QuoteThatNothingCloses_IsRefusedWithItsLine(string text, int line)
    {
        var refused = Assert.Throws<TableException>(() => Rows.Read(text, TableFormat.Csv));
        Assert.Equal(
            $"Line {line} opens a quote that nothing closes. Close it, or double it if it is text.", refused.Message);
    }

    /// <summary>Where a quote is not closed, the next quoted field seems to close it, some lines behind.</summary>
    [Fact]
    public void Csv_QuoteThatTakesInOtherRows_IsRefusedWithItsLine()
    {
        var refused = Assert.Throws<TableException>(
            () => Rows.Read("x,y\n\"never closed,a\nb,c\n\"d\",e\n", TableFormat.Csv));
        Assert.Equal(
            "Line 2 opens a quote that line 4 closes within a field. Close it on its line, or double it if it is text.",
            refused.Message);
    }

    [Fact]
    public void Csv_TextBehindAClosingQuote_SpoilsItsRowAlone() => Assert.Equal(
        ["1:say hi\" to|me !", "2:b|c", "3:d|e"],
        Rows.Read("\"say \"hi\" to,me\nb,c\n\"d\" ,e\n", TableFormat.Csv));

    [Theory]
    [InlineData(TableFormat.Csv, ",")]
    [InlineData(TableFormat.Tsv, "\t")]
    public void BlankLines_AreNoRows_ButHaveNumbers(TableFormat format, string separator) => Assert.Equal(
        ["3:a|b", "6:|", "7:c|d"],
        Rows.Read($"\r\n  \na{separator}b\n\n\u00A0\n{separator}\nc{separator}d\n\n", format));

    [Theory]
    [InlineData(TableFormat.Csv, ",")]
    [InlineData(TableFormat.Tsv, "\t")]
    public void LoneCarriageReturns_AreWhiteSpace(TableFormat format, string separator) => Assert.Equal(
        ["1:a|b", "2:old\rmac|c\rd", "3:e|f"],
        Rows.Read($"a{separator}b\nold\rmac{separator}c\rd\r\ne{separator}f\r", format));

    [Theory]
    [InlineData(TableFormat.Csv, ",")]
    [InlineData(TableFormat.Tsv, "\t")]
    public void CarriageReturns_WhereThereIsNothingElse_EndLines(TableFormat format, string separator) => Assert.Equal(
        ["1:a|b", "2:c|d", "4:e|f"], Rows.Read($"a{separator}b\rc{separator}d\r\re{separator}f\r", format));

    [Fact]
    public void CarriageReturns_BesideLineFeedsInQuotes_EndLines() =>
        Assert.Equal(["1:a|b", "2:c\nd|e"], Rows.Read("a,b\r\"c\nd\",e\r", TableFormat.Csv));

    [Fact]
    public void Tsv_QuotesAndUnicodeSeparators_AreText() => Assert.Equal(
        ["1:\"a|b\u2028c\u0085d", "2:e|f"], Rows.Read("\"a\tb\u2028c\u0085d\ne\tf", TableFormat.Tsv));

    [Fact]
    public void Header_BehindAByteOrderMarkAndBlankLines_IsTheFirstRow()
    {
        byte[] bytes = [.. Encoding.UTF8.Preamble, .. "\n\"text\",label\na,b\n"u8];
        using var table = Table.Open(new MemoryStream(bytes), TableFormat.Csv, hasHeader: true);
        Assert.Equal(["text", "label"], table.Header);
        Assert.Equal(3, table.Rows.Single().Line);
    }

    [Fact]
    public void NoUtf8_IsRefused()
    {
        var refused = Assert.Throws<TableException>(
            () => Rows.Read(new MemoryStream([.. "a\tb\nc\t"u8, 0xE4, (byte)'\n']), TableFormat.Tsv));
        Assert.Equal("It is not UTF-8; convert the file, for example with iconv.", refused.Message);
    }
}
