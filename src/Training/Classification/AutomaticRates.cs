using Serving.Models.Bert;

namespace Serving.Training.Classification;

/// <summary>Learning rates that follow from a backbone's shape.</summary>
/// <remarks>
/// A step of Adam moves each parameter by about the learning rate, whatever the gradient's size, so that it moves the
/// output of a linear layer by the rate times the number of its inputs, and a backbone's by that for each of its
/// layers: rates of weights are inversely proportional to width times depth, and a head's to the width. Scores are
/// given less still: too high a rate flips weights at random until nothing is left of the backbone, which a dataset
/// that is hard to begin with meets first. They fall with the square down to 1e-3, which Zhao et al. 2020 published
/// code takes for BERT-base. The constants were measured on backbones of 4 x 256 and 6 x 384 (docs/results/rates.md).
/// Weights of BERT-base (12 x 768) get 2.7e-5, in the middle of what Devlin et al. 2019, appendix A.3, choose from.
/// </remarks>
internal static class AutomaticRates
{
    /// <summary>The rate of weights or scores.</summary>
    public static float OfBackbone(TrainingMethod method, BertConfig config) => method switch
    {
        TrainingMethod.Finetune => Rounded(0.25 / (config.Hidden * config.Layers), most: 1e-3),
        TrainingMethod.Mask =>
            Rounded(Math.Max(1e-3, Math.Pow(101.4 / (config.Hidden * config.Layers), 2)), most: 2e-2),
        _ => OfHead(method, config)
    };

    /// <summary>The head's rate beside scores, which learn much faster than a head may, or alone.</summary>
    public static float OfHead(TrainingMethod method, BertConfig config) =>
        Rounded((method == TrainingMethod.Mask ? 0.75 : 2.5) / config.Hidden, most: 1e-2);

    /// <summary>With two digits, as one would write it.</summary>
    /// <param name="most">For backbones that are much smaller than those that were measured.</param>
    private static float Rounded(double rate, double most)
    {
        rate = Math.Min(rate, most);
        var digit = Math.Pow(10, Math.Floor(Math.Log10(rate)) - 1);
        return (float)(Math.Round(rate / digit) * digit);
    }
}
