using Grpc.Core;

namespace Serving.Rpc.Tests;

public sealed class MetadataTests
{
    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a:b")]
    [InlineData("é")]
    [InlineData("a\n")]
    public void Name_OutsideItsAlphabet_IsRefused(string name) =>
        Assert.ThrowsAny<ArgumentException>(() => new Metadata.Entry(name, "value"));

    [Theory]
    [InlineData("line\nbreak", "U+000A")]
    [InlineData("naïve", "U+00EF")]
    [InlineData("\0", "U+0000")]
    public void Value_ThatHttpCannotCarry_IsRefusedWithTheRemedy(string value, string found)
    {
        var exception = Assert.Throws<ArgumentException>(() => new Metadata.Entry("key", value));
        Assert.Contains(found, exception.Message, StringComparison.Ordinal);
        Assert.Contains("key-bin", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TextAndBytes_GoUnderTheirOwnNames()
    {
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("key-bin", "text"));
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("key", [1]));
        Assert.Throws<InvalidOperationException>(() => new Metadata.Entry("key-bin", [1]).Value);
    }

    [Fact]
    public void Get_FindsTheLast_AndGetAllTheOrder()
    {
        var metadata = new Metadata { { "Key", "1" }, { "other", "x" }, { "kEY", "2" } };

        Assert.Equal("2", metadata.GetValue("KEY"));
        Assert.Equal(["1", "2"], metadata.GetAll("key").Select(entry => entry.Value));
        Assert.Null(metadata.GetValue("none"));
        Assert.Throws<InvalidOperationException>(() => Metadata.Empty.Add("a", "b"));
    }
}
