namespace Serving.Decoding.Tests;

public sealed class SamplingOptionsTests
{
    [Fact]
    public void Options_OutOfRange_AreAllNamed()
    {
        var options = new SamplingOptions
        {
            Temperature = double.NaN,
            TopK = -1,
            TopP = 0,
            MinP = 1.5,
            TypicalP = -0.5,
            EpsilonCutoff = -1,
            EtaCutoff = double.PositiveInfinity,
            RepetitionPenalty = 0,
            PresencePenalty = -101,
            FrequencyPenalty = double.NegativeInfinity,
            NoRepeatNgramSize = -1,
            MinTokens = 11,
            MaxTokens = 10,
            TopLogProbabilities = 21,
            LogitBias = new Dictionary<int, double> { [50] = 1 },
            StopTokens = [1, -1],
            BadWords = [[], [49, 50]],
            Stop = ["a", "", new string('a', 10_000)]
        };

        var error = Assert.Throws<SamplingOptionsException>(() => options.ThrowUnlessValid(vocab: 50));

        Assert.Equal(
            [
                new("Temperature", "It is NaN; it must be 0 to 1000."),
                new("TopK", "It is -1; it must be 0 to 2147483647."),
                new("TopP", "It is 0; it must be above 0, and 1 at most; 1 turns it off."),
                new("MinP", "It is 1.5; it must be 0 to 1."),
                new("TypicalP", "It is -0.5; it must be above 0, and 1 at most; 1 turns it off."),
                new("EpsilonCutoff", "It is -1; it must be 0 to 1."),
                new("EtaCutoff", "It is Infinity; it must be 0 to 1."),
                new("RepetitionPenalty", "It is 0; it must be 0.01 to 100."),
                new("PresencePenalty", "It is -101; it must be -100 to 100."),
                new("FrequencyPenalty", "It is -Infinity; it must be -100 to 100."),
                new("NoRepeatNgramSize", "It is -1; it must be 0 to 1000."),
                new("MinTokens", "It is 11; it must be 0 to MaxTokens, 10."),
                new("TopLogProbabilities", "It is 21; it must be 0 to 20."),
                new("LogitBias[50]", "It is token 50; it must be one of the model's, 0 to 49."),
                new("StopTokens[1]", "It is token -1; it must be one of the model's, 0 to 49."),
                new("BadWords[0]", "It is 0 tokens; it must have 1 to 100."),
                new("BadWords[1]", "It is token 50; it must be one of the model's, 0 to 49."),
                new("Stop[1]", "It is 0 characters; it must have 1 to 1000."),
                new SamplingViolation("Stop[2]", "It is 10000 characters; it must have 1 to 1000.")
            ],
            error.Violations);
        Assert.StartsWith("Temperature: It is NaN; it must be 0 to 1000. TopK: It is", error.Message);
    }

    [Fact]
    public void Options_Neutral_AreValid() => new SamplingOptions
    {
        Temperature = 0,
        TopK = 0,
        TopP = 1,
        MinP = 0,
        TypicalP = 1,
        RepetitionPenalty = 1
    }.ThrowUnlessValid(vocab: 1);
}
