using System.CommandLine;
using System.Globalization;
using Serving.V1;

namespace Serving.Cli;

/// <summary>The options of a command that are fields of <see cref="Sampling"/>.</summary>
internal sealed class SamplingFlags
{
    private static readonly Dictionary<string, EarlyStopping> EarlyStoppings = new(StringComparer.Ordinal)
    {
        ["when-likely"] = EarlyStopping.WhenLikely,
        ["at-once"] = EarlyStopping.AtOnce,
        ["when-certain"] = EarlyStopping.WhenCertain
    };

    private readonly List<Flag> _flags =
    [
        Whole("--max-new-tokens", "The most tokens of an answer (1 or more; default: the model's, or 256).",
            (sampling, value) => sampling.MaxNewTokens = value),
        Whole("--min-new-tokens", "How many come before the model's end of text may (default: 0).",
            (sampling, value) => sampling.MinNewTokens = value),
        Number("--temperature", "Divides the logits (0 to 1000; 0 for the most probable token; default: 1).",
            (sampling, value) => sampling.Temperature = value),
        Whole("--top-k", "How many of the most probable tokens are kept (0 for all; default: 0).",
            (sampling, value) => sampling.TopK = value),
        Number("--top-p", "Keeps the most probable tokens up to this sum (above 0 to 1; default: 1, all).",
            (sampling, value) => sampling.TopP = value),
        Number("--min-p", "Keeps tokens of this part of the highest probability (0 to 1; default: 0, all).",
            (sampling, value) => sampling.MinP = value),
        Number("--typical-p", "Keeps tokens of the most typical surprise up to this sum (above 0 to 1; default: 1).",
            (sampling, value) => sampling.TypicalP = value),
        Number("--epsilon-cutoff", "Keeps tokens of at least this probability (0 to 1; default: 0, all).",
            (sampling, value) => sampling.EpsilonCutoff = value),
        Number("--eta-cutoff", "The same, lower where entropy is high (0 to 1; default: 0, all).",
            (sampling, value) => sampling.EtaCutoff = value),
        Number("--repetition-penalty", "Divides logits of tokens that were there (0.01 to 100; default: 1).",
            (sampling, value) => sampling.RepetitionPenalty = value),
        Number("--presence-penalty", "Subtracted from logits of tokens that were there (-100 to 100; default: 0).",
            (sampling, value) => sampling.PresencePenalty = value),
        Number("--frequency-penalty", "Subtracted for each time that they were (-100 to 100; default: 0).",
            (sampling, value) => sampling.FrequencyPenalty = value),
        Whole("--no-repeat-ngram-size", "No sequence of so many tokens comes twice (0 to 1000; default: 0, off).",
            (sampling, value) => sampling.NoRepeatNgramSize = value),
        new Flag<string[]>(
            new("--logit-bias") { Description = "ID=BIAS, added to a token's logit (-100 to 100); several times." },
            Bias),
        new Flag<ulong>(
            new("--seed") { Description = "Gives the same text again (default: a random one)." },
            (sampling, value) => sampling.Seed = value),
        new Flag<string[]>(
            new("--stop") { Description = "A string that ends the text and is no part of it; up to 16 times." },
            (sampling, value) => sampling.Stop.AddRange(value)),
        new Flag<bool>(
            new("--ignore-eos") { Description = "The model's end of text does not end it." },
            (sampling, value) => sampling.IgnoreEos = value),
        new Flag<bool>(
            new("--logprobs") { Description = "Each token with its log-probability, with --json or --output." },
            (sampling, value) => sampling.Logprobs = value),
        Whole("--top-logprobs", "Of so many of the most probable tokens, too (0 to 20; default: 0).",
            (sampling, value) => sampling.TopLogprobs = value),
        Whole("--num-return-sequences", "How many answers to a prompt (1 to 16; default: 1).",
            (sampling, value) => sampling.NumReturnSequences = value),
        Whole("--best-of", "Draws so many answers and prints the most probable ones (up to 16; default: 0, off).",
            (sampling, value) => sampling.BestOf = value),
        Whole("--num-beams", "Searches with so many beams instead of drawing (1 to 16; default: 1, off).",
            (sampling, value) => sampling.NumBeams = value),
        Number("--length-penalty", "Of beams: divides by tokens^this; more favors longer texts (default: 1).",
            (sampling, value) => sampling.LengthPenalty = value),
        new Flag<string>(
            new Option<string>("--early-stopping") { Description = "Of beams: when the search ends." }
                .AcceptOnlyFromAmong([.. EarlyStoppings.Keys]),
            (sampling, value) => sampling.EarlyStopping = EarlyStoppings[value])
    ];

    public void AddTo(Command command)
    {
        foreach (var flag in _flags)
            command.Add(flag.Option);
    }

    /// <summary>What was given; the rest is as the model has it.</summary>
    /// <exception cref="CommandException">A value can't be read.</exception>
    public Sampling Read(ParseResult parsed)
    {
        var sampling = new Sampling();
        foreach (var flag in _flags)
            flag.Apply(parsed, sampling);
        return sampling;
    }

    private static Flag<int> Whole(string name, string help, Action<Sampling, int> set) =>
        new(new(name) { Description = help }, set);

    private static Flag<double> Number(string name, string help, Action<Sampling, double> set) =>
        new(new Option<double>(name) { Description = help }.OnlyStrict(), set);

    private static void Bias(Sampling sampling, string[] values)
    {
        foreach (var value in values)
        {
            if (value.Split('=') is not [var id, var bias]
                || !int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var token)
                || !double.TryParse(bias, NumberStyles.Float, CultureInfo.InvariantCulture, out var added))
                throw new CommandException($"--logit-bias is '{value}'; ID=BIAS is needed, such as 50256=-100.");
            if (sampling.LogitBias.ContainsKey(token))
                throw new CommandException($"--logit-bias has the token {token} twice; once is needed.");
            sampling.LogitBias.Add(token, added);
        }
    }

    private abstract class Flag
    {
        public abstract Option Option { get; }

        /// <summary>Sets the field, if the option was given.</summary>
        public abstract void Apply(ParseResult parsed, Sampling sampling);
    }

    private sealed class Flag<T>(Option<T> option, Action<Sampling, T> set) : Flag
    {
        public override Option Option => option;

        public override void Apply(ParseResult parsed, Sampling sampling)
        {
            if (parsed.GetResult(option) is { Implicit: false })
                set(sampling, parsed.GetValue(option)!);
        }
    }
}
