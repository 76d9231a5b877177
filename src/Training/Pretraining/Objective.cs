using Serving.Training.Settings;

namespace Serving.Training.Pretraining;

/// <summary>What a backbone is pretrained for (Aroca-Ouellette and Rudzicz 2020, sec. 3).</summary>
public enum Objective
{
    /// <summary>MLM: finds hidden tokens.</summary>
    MaskedLanguageModel,

    /// <summary>NSP: whether the second segment follows the first, or comes from another document.</summary>
    [Choice("nsp")]
    NextSentence,

    /// <summary>ASP: whether the second segment follows the first, precedes it, or is from another document.</summary>
    [Choice("asp")]
    AdjacentSentence,

    /// <summary>SO: whether two adjacent segments are in order, or swapped.</summary>
    [Choice("so")]
    SentenceOrder,

    /// <summary>SDP: whether two segments are adjacent, of one document with something between, or of two.</summary>
    [Choice("sdp")]
    SentenceDistance,

    /// <summary>SCP: whether the text was corrupted.</summary>
    [Choice("scp")]
    SentenceCorruption,

    /// <summary>TCP: whether a token was corrupted.</summary>
    [Choice("tcp")]
    TokenCorruption,

    /// <summary>TF: how often a token occurs in its document, from 0 to 10.</summary>
    [Choice("tf")]
    TermFrequency,

    /// <summary>TF-IDF: the same, times the inverse document frequency.</summary>
    [Choice("tf-idf")]
    TermImportance,

    /// <summary>QT: which of the batch's texts follows a text (quick thoughts, Logeswaran and Lee 2018).</summary>
    [Choice("qt")]
    QuickThoughts,

    /// <summary>FS: a text's vector is near the tokens of its neighbor (FastSent, Hill et al. 2016).</summary>
    [Choice("fs")]
    FastSent,

    /// <summary>TGS: in which order three shuffled tokens are.</summary>
    [Choice("tgs")]
    TrigramShuffling,

    /// <summary>Cap: whether a token's word is capitalized.</summary>
    [Choice("cap")]
    Capitalization,

    /// <summary>TLP: how many characters a token has.</summary>
    [Choice("tlp")]
    TokenLength,

    /// <summary>SBO: finds hidden tokens from the neighboring states only (Joshi et al. 2020).</summary>
    [Choice("sbo")]
    SpanBoundary
}

/// <summary>What an objective predicts.</summary>
public enum Prediction
{
    /// <summary>A token of the vocabulary, at hidden positions.</summary>
    Token,

    /// <summary>A class of the whole input, from the pooled [CLS] state.</summary>
    InputClass,

    /// <summary>A class of each of some tokens.</summary>
    TokenClass,

    /// <summary>A number for each of some tokens.</summary>
    TokenNumber,

    /// <summary>How near two neighboring texts' vectors are.</summary>
    Similarity
}

/// <summary>Properties of an objective.</summary>
/// <param name="Name">Its short name, as in the paper, lowercase.</param>
/// <param name="Classes">How many classes it has; 0 if it does not predict a class.</param>
/// <param name="NeedsSentences">Whether it can't learn from texts of one sentence.</param>
/// <param name="NeedsDocuments">Whether it can't learn from a single document.</param>
public sealed record ObjectiveTraits(
    string Name, Prediction Predicts, int Classes = 0, bool NeedsSentences = false, bool NeedsDocuments = false);

public static class Objectives
{
    private static readonly Dictionary<Objective, ObjectiveTraits> Traits = new()
    {
        [Objective.MaskedLanguageModel] = new("mlm", Prediction.Token),
        [Objective.NextSentence] = new("nsp", Prediction.InputClass, 2, NeedsSentences: true, NeedsDocuments: true),
        [Objective.AdjacentSentence] = new("asp", Prediction.InputClass, 3, NeedsSentences: true, NeedsDocuments: true),
        [Objective.SentenceOrder] = new("so", Prediction.InputClass, 2, NeedsSentences: true),
        [Objective.SentenceDistance] = new("sdp", Prediction.InputClass, 3, NeedsSentences: true, NeedsDocuments: true),
        [Objective.SentenceCorruption] = new("scp", Prediction.InputClass, 2),
        [Objective.TokenCorruption] = new("tcp", Prediction.TokenClass, 2),
        [Objective.TermFrequency] = new("tf", Prediction.TokenNumber),
        [Objective.TermImportance] = new("tf_idf", Prediction.TokenNumber),
        [Objective.QuickThoughts] = new("qt", Prediction.Similarity, NeedsSentences: true),
        [Objective.FastSent] = new("fs", Prediction.Similarity, NeedsSentences: true),
        [Objective.TrigramShuffling] = new("tgs", Prediction.TokenClass, 6),
        [Objective.Capitalization] = new("cap", Prediction.TokenClass, 2),
        [Objective.TokenLength] = new("tlp", Prediction.TokenNumber),
        [Objective.SpanBoundary] = new("sbo", Prediction.Token)
    };

    /// <summary>Those that arrange the two segments of an input, each in its own way.</summary>
    public static IReadOnlyList<Objective> Arrangements { get; } =
        [Objective.NextSentence, Objective.AdjacentSentence, Objective.SentenceOrder, Objective.SentenceDistance];

    public static ObjectiveTraits Of(Objective objective) => Traits[objective];
}
