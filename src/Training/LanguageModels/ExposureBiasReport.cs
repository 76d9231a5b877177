using Serving.Training.TextMetrics;

namespace Serving.Training.LanguageModels;

/// <summary>Exposure bias at one length of prefixes; above 1 there is some.</summary>
public sealed record ExposureBiasReport
{
    /// <summary>Tokens of a prefix, behind the beginning of a text.</summary>
    public required int PrefixLength { get; init; }

    /// <summary>How many prefixes of a kind there are.</summary>
    public required int Prefixes { get; init; }

    /// <summary>EB-M: quality behind real prefixes, by BLEU, over that behind others.</summary>
    public required ExposureBiasOf Quality { get; init; }

    /// <summary>EB-M of diversity, by the entropy of n-grams.</summary>
    public required ExposureBiasOf Diversity { get; init; }

    /// <summary>EB-C by total variation: the distance from the teacher behind other prefixes over that behind its own.
    /// Null without a teacher.</summary>
    public ExposureBiasOf? TotalVariation { get; init; }

    /// <summary>The same by Jensen-Shannon divergence.</summary>
    public ExposureBiasOf? JensenShannon { get; init; }
}

/// <summary>A measure of exposure bias, with controls that show what it can see.</summary>
/// <param name="Own">Behind prefixes that the model wrote.</param>
/// <param name="Shuffled">Control: behind real ones with their tokens shuffled.</param>
/// <param name="Random">Control: behind tokens that were drawn from all of the vocabulary.</param>
public sealed record ExposureBiasOf(RatioEstimate Own, RatioEstimate Shuffled, RatioEstimate Random);
