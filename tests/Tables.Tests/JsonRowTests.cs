namespace Serving.Tables.Tests;

public sealed class JsonRowTests
{
    [Theory]
    [InlineData("\"a\"", "a", "a")]
    [InlineData("true", "true", "true")]
    [InlineData("false", "false", "false")]
    [InlineData("null", null, null)]
    [InlineData("1", "1", "1")]
    [InlineData("1.0", "1.0", "1")]
    [InlineData("1e0", "1e0", "1")]
    [InlineData("10E-1", "10E-1", "1")]
    [InlineData("-0.0", "-0.0", "0")]
    [InlineData("0e5", "0e5", "0")]
    [InlineData("2.50", "2.50", "2.5")]
    [InlineData("-0.05", "-0.05", "-0.05")]
    [InlineData("5e-2", "5e-2", "0.05")]
    [InlineData("1E+3", "1E+3", "1000")]
    [InlineData("12.5e1", "12.5e1", "125")]
    [InlineData("12345678901234567890", "12345678901234567890", "12345678901234567890")]
    [InlineData("12345678901234567891", "12345678901234567891", "12345678901234567891")] // Not as a double.
    [InlineData("1e400", "1e400", "1e400")]
    [InlineData("10e399", "10e399", "1e400")]
    [InlineData("12e-9", "12e-9", "1.2e-8")]
    [InlineData("1e99999999999999999999", "1e99999999999999999999", "1e99999999999999999999")]
    public void Values_AreSpelledAsInTheFile_AndEqualNumbersAreOneLabel(string json, string? text, string? label)
    {
        var row = JsonRow.Parse($"{{\"a\":{json}}}");
        Assert.Equal((text, label), (row.Text("a"), row.Label("a")));
    }

    [Theory]
    [InlineData("{\"a\":[\"b\",\"c\"]}", "has a list as 'a'; a string, a number, true or false is needed")]
    [InlineData("{\"a\":{\"b\":1}}", "has an object as 'a'; a string, a number, true or false is needed")]
    [InlineData("{\"a\":1,\"b\":2,\"a\":1}", "has two fields 'a'")]
    [InlineData("{\"a\":\"b \\ud83d c\"}", "has half of a surrogate pair in 'a', which is no Unicode")]
    [InlineData("{\"a\":\"\\ude00\"}", "has half of a surrogate pair in 'a', which is no Unicode")]
    [InlineData("{\"\\ud83d\":1}", "has a field whose name has half of a surrogate pair, which is no Unicode")]
    [InlineData("{\"a\":NaN}", "is no JSON object")]
    [InlineData("{\"a\":", "is no JSON object")]
    [InlineData("{\"a\":1} {\"a\":2}", "is no JSON object")]
    [InlineData("[1]", "is JSON, but no object")]
    [InlineData("\"a\"", "is JSON, but no object")]
    public void WhatIsNoValue_IsNamed(string line, string problem) => Assert.Equal(
        problem, Assert.Throws<RowException>(() => JsonRow.Parse(line).Text("a")).Message);

    [Fact]
    public void FieldsThatNobodyAsksFor_MayBeAnything()
    {
        var row = JsonRow.Parse("{\"x\":[1],\"x\":{},\"y\":\"\\ud83d\",\"a\":\"b\"}");
        Assert.Equal(("b", null), (row.Text("a"), row.Label("z")));
    }
}
