namespace Serving.Decoding;

/// <summary>How tokens of a sequence are chosen. The neutral value of each parameter turns it off.</summary>
/// <remarks>
/// They apply in the order of Hugging Face's processors, with frequency and presence behind the repetition penalty:
/// logit bias, repetition, frequency and presence penalty, repeated n-grams, bad words, least tokens; then temperature,
/// top-k, top-p, min-p, typical-p, epsilon and eta cutoff. Each of the latter sees the probabilities of the tokens that
/// those before it kept, divided by their sum, and keeps at least one token. <see cref="SamplingPipeline"/> is the
/// list.
/// </remarks>
public sealed record SamplingOptions
{
    public const int MostTopLogProbabilities = 20;

    /// <summary>Divides the logits; 0 takes the most probable token, of several the one with the lowest id.</summary>
    /// <remarks>A top-k of 1 gives the same token.</remarks>
    public double Temperature { get; init; } = 1;

    /// <summary>How many of the most probable tokens are kept, of equal ones those of lower ids; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// Keeps the most probable tokens up to the one that brings their sum to this or above (Holtzman et al. 2020,
    /// sec. 3.1); 1 keeps all. Sums are compared in double, without a tolerance.
    /// </summary>
    public double TopP { get; init; } = 1;

    /// <summary>
    /// Keeps tokens of at least this part of the highest probability (Nguyen et al. 2024); 0 keeps all.
    /// </summary>
    public double MinP { get; init; }

    /// <summary>
    /// Keeps tokens whose surprise is nearest to its expectation, up to this sum (Meister et al. 2023); 1 keeps all.
    /// </summary>
    public double TypicalP { get; init; } = 1;

    /// <summary>Keeps tokens of at least this probability (Hewitt et al. 2022); 0 keeps all.</summary>
    public double EpsilonCutoff { get; init; }

    /// <summary>
    /// Keeps tokens of at least min(eta, √eta exp(-entropy)) (Hewitt et al. 2022); 0 keeps all.
    /// </summary>
    public double EtaCutoff { get; init; }

    /// <summary>
    /// Logits of tokens that were there are divided by this if positive, multiplied if negative (Keskar et al. 2019,
    /// sec. 4.1, with Hugging Face's treatment of negative ones); 1 is off.
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted once from the logit of a token that was there; 0 is off.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Subtracted from a token's logit for each time that it was there; 0 is off.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>No sequence of so many tokens comes twice; 0 is off. Lifted where no token would be left.</summary>
    public int NoRepeatNgramSize { get; init; }

    /// <summary>Whether penalties and n-grams count the prompt's tokens, as Hugging Face does.</summary>
    public bool PenalizePrompt { get; init; } = true;

    /// <summary>Added to the logits of tokens by id.</summary>
    public IReadOnlyDictionary<int, double> LogitBias { get; init; } = new Dictionary<int, double>();

    /// <summary>Sequences of tokens that never come.</summary>
    public IReadOnlyList<IReadOnlyList<int>> BadWords { get; init; } = [];

    /// <summary>Tokens that end the sequence, such as the model's end of text.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>Strings that end the text and are no part of it.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>How many tokens come before a stop token may.</summary>
    public int MinTokens { get; init; }

    /// <summary>The most tokens of an answer.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>What the draws follow from; a request without a seed gets a random one from its caller.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether the model's log-probability of the chosen token is wanted.</summary>
    public bool LogProbabilities { get; init; }

    /// <summary>Of how many of the most probable tokens the log-probabilities are wanted, too.</summary>
    public int TopLogProbabilities { get; init; }

    /// <summary>The same where no token is drawn: what chooses among them is off.</summary>
    public SamplingOptions WithoutDraws() => this with
    {
        Temperature = 0,
        TopK = 0,
        TopP = 1,
        MinP = 0,
        TypicalP = 1,
        EpsilonCutoff = 0,
        EtaCutoff = 0
    };

    internal bool IsGreedy => Temperature == 0;

    internal bool WantsLogProbabilities => LogProbabilities || TopLogProbabilities > 0;

    internal bool CountsTokens => RepetitionPenalty != 1 || PresencePenalty != 0 || FrequencyPenalty != 0;

    /// <param name="vocab">How many tokens the model has.</param>
    /// <exception cref="SamplingOptionsException">Some are out of range; it has all of them.</exception>
    public void ThrowUnlessValid(int vocab)
    {
        var violations = SamplingChecks.Find(this, vocab);
        if (violations.Count > 0)
            throw new SamplingOptionsException(violations);
    }
}
