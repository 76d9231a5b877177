namespace Serving.Tables.Tests;

public sealed class LabelNumberTests
{
    [Theory]
    [InlineData("1.5", 1.5f)]
    [InlineData("-0.25", -0.25f)]
    [InlineData("+3", 3)]
    [InlineData(" 2 ", 2)]
    [InlineData("1e-3", 0.001f)]
    [InlineData(".5", 0.5f)]
    public void Numbers_AreRead(string label, float number)
    {
        Assert.True(LabelNumber.TryParse(label, out var read));
        Assert.Equal(number, read);
        Assert.Equal(number, LabelNumber.Parse(label));
    }

    [Theory]
    [InlineData("1,5")]
    [InlineData("-0,25")]
    [InlineData("1,234.5")]
    [InlineData("1.234,5")]
    [InlineData("1 234")]
    [InlineData("(3)")]
    [InlineData("3-")]
    [InlineData("$3")]
    [InlineData("5%")]
    [InlineData("0x10")]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("1e40")]
    [InlineData("")]
    public void WhatIsNone_IsNotRead_AndShown(string label)
    {
        Assert.False(LabelNumber.TryParse(label, out _));
        Assert.Contains($"'{label}'", Assert.Throws<FormatException>(() => LabelNumber.Parse(label)).Message);
    }
}
