using Serving.Training.LanguageModels;

namespace Serving.Training.Tests.LanguageModels;

public sealed class DecodingMethodTests
{
    [Fact]
    public void Name_SaysWhatIsNotNeutral()
    {
        Assert.Equal("greedy", DecodingMethod.Greedy.Name);
        Assert.Equal("sampling", DecodingMethod.AtTemperature(1).Name);
        Assert.Equal("temperature 0.7", DecodingMethod.AtTemperature(0.7).Name);
        Assert.Equal(
            "temperature 0.7, top-k 40",
            DecodingMethod.AtTemperature(0.7).With($"top-k {40}", options => options with { TopK = 40 }).Name);
        Assert.Equal(
            "top-p 0.95",
            DecodingMethod.AtTemperature(1).With($"top-p {0.95}", options => options with { TopP = 0.95 }).Name);
    }

    [Fact]
    public void With_AddsACutToTheMethod()
    {
        var cut = DecodingMethod.AtTemperature(0.7).With($"min-p {0.1}", options => options with { MinP = 0.1 });
        Assert.Equal(0.7, cut.Sampling.Temperature);
        Assert.Equal(0.1, cut.Sampling.MinP);
    }
}
