namespace Serving.Models.Decoders;

/// <summary>What generation_config.json says of requests that don't; null is what it does not say.</summary>
/// <remarks>Values are as they are written; whoever uses them knows their ranges.</remarks>
public sealed record GenerationDefaults
{
    /// <summary>False takes the most probable token each time, unless a request has a temperature.</summary>
    public bool? Samples { get; init; }

    public int? MaxNewTokens { get; init; }

    public int? MinNewTokens { get; init; }

    public double? Temperature { get; init; }

    public int? TopK { get; init; }

    public double? TopP { get; init; }

    public double? MinP { get; init; }

    public double? TypicalP { get; init; }

    public double? EpsilonCutoff { get; init; }

    public double? EtaCutoff { get; init; }

    public double? RepetitionPenalty { get; init; }

    public int? NoRepeatNgramSize { get; init; }

    /// <summary>Tokens that end a text, beside that of config.json.</summary>
    public IReadOnlyList<int> EndTokens { get; init; } = [];

    /// <summary>Sequences of tokens that never come.</summary>
    public IReadOnlyList<IReadOnlyList<int>> BadWords { get; init; } = [];

    /// <summary>Reads a generation_config.json.</summary>
    /// <exception cref="ModelFileException">A field is unknown or has a value that does not run here.</exception>
    public static GenerationDefaults Load(string path) => GenerationConfigReader.Load(path);
}
