using Serving.Hub.HuggingFace;

namespace Serving.Hub.Tests.HuggingFace;

public sealed class HubOptionsTests
{
    [Fact]
    public void Nothing_IsTheHubItself()
    {
        var options = HubOptions.Read(_ => null);
        Assert.Equal(
            (new Uri("https://huggingface.co"), null, false), (options.Endpoint, options.Token, options.IsOffline));
    }

    [Fact]
    public void Settings_AreThoseOfHuggingFace()
    {
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["HF_ENDPOINT"] = "http://mirror.example:8080/hf/",
            ["HF_TOKEN"] = " hf_abc\n",
            ["HF_HUB_OFFLINE"] = "yes"
        };
        var options = HubOptions.Read(settings.GetValueOrDefault);
        Assert.Equal(
            ("http://mirror.example:8080/hf/", "hf_abc", true),
            (options.Endpoint.AbsoluteUri, options.Token, options.IsOffline));
    }

    [Theory]
    [InlineData("HF_ENDPOINT", "huggingface.co")]
    [InlineData("HF_ENDPOINT", "ftp://huggingface.co")]
    [InlineData("HF_ENDPOINT", "https://user:password@huggingface.co")]
    [InlineData("HF_TOKEN", "two words")]
    [InlineData("HF_TOKEN", "with\nlines")]
    public void Setting_ThatIsNone_IsNamed(string key, string value)
    {
        var error = Assert.Throws<FormatException>(() => HubOptions.Read(name => name == key ? value : null));
        Assert.StartsWith(key, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0", false)]
    [InlineData("", false)]
    [InlineData("1", true)]
    [InlineData("TRUE", true)]
    [InlineData("on", true)]
    public void Offline_IsWrittenAsThere(string value, bool isOffline) =>
        Assert.Equal(isOffline, HubOptions.Read(key => key == "HF_HUB_OFFLINE" ? value : null).IsOffline);
}
