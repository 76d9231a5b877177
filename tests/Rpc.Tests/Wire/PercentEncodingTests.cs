using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Grpc.Wire;

namespace Serving.Rpc.Tests.Wire;

public sealed class PercentEncodingTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("plain text ~", "plain text ~")]
    [InlineData("100%", "100%25")]
    [InlineData("a\nb", "a%0Ab")]
    [InlineData("é", "%C3%A9")]
    [InlineData("😈", "%F0%9F%98%88")]
    public void Encode_LeavesPrintableAscii(string text, string expected) => Assert.Equal(expected, PercentEncoding.Encode(text));

    [Theory]
    [InlineData("%", "%")]
    [InlineData("%4", "%4")]
    [InlineData("%zz", "%zz")]
    [InlineData("%41%", "A%")]
    [InlineData("%c3%a9", "é")]
    [InlineData("%ff", "\ufffd")] // no UTF-8
    [InlineData("é", "é")] // a peer that does not encode
    public void Decode_NeverFails(string text, string expected) => Assert.Equal(expected, PercentEncoding.Decode(text));

    [Fact]
    public void LoneSurrogate_BecomesTheReplacementCharacter() =>
        Assert.Equal("%EF%BF%BD", PercentEncoding.Encode(new string('\ud83d', 1)));

    [Fact]
    public void Text_ComesBack() => Prop.ForAll(
        ArbMap.Default.GeneratorFor<string>().Where(text => text is not null).ToArbitrary(),
        text => PercentEncoding.Decode(PercentEncoding.Encode(text)) == Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)))
        .QuickCheckThrowOnFailure();

    [Fact]
    public void AnyText_CanBeDecoded() => Prop.ForAll(
        ArbMap.Default.GeneratorFor<string>().ToArbitrary(),
        text => text is null || PercentEncoding.Decode(text) is not null).QuickCheckThrowOnFailure();
}
