using Serving.Training.Settings;

namespace Serving.Training.LanguageModels;

/// <summary>What a language model from scratch is made of.</summary>
public enum Architecture
{
    /// <summary>Causal attention (Radford et al. 2019, sec. 2.3).</summary>
    [Choice("gpt2")]
    Gpt2,

    /// <summary>Layers of long short-term memory (Zaremba et al. 2014, sec. 3).</summary>
    [Choice("lstm")]
    Lstm
}
