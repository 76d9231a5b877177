using System.Globalization;
using Serving.Decoding;

namespace Serving.Training.LanguageModels;

/// <summary>How tokens are chosen, by its name and as the generator does it.</summary>
/// <param name="Name">"greedy", "temperature 0.7, top-k 40", "sampling".</param>
/// <param name="Sampling">Seed and lengths are not of the method.</param>
public sealed record DecodingMethod(string Name, SamplingOptions Sampling)
{
    /// <summary>The likeliest token at each place.</summary>
    public static DecodingMethod Greedy { get; } = new("greedy", new() { Temperature = 0 });

    /// <summary>Draws from the whole distribution.</summary>
    public static DecodingMethod AtTemperature(double temperature) => new(
        temperature == 1 ? "sampling" : Words($"temperature {temperature}"), new() { Temperature = temperature });

    /// <summary>The same with a cut.</summary>
    /// <param name="cut">Its name, as "top-k 40".</param>
    public DecodingMethod With(FormattableString cut, Func<SamplingOptions, SamplingOptions> change) =>
        new(Sampling.Temperature == 1 ? Words(cut) : $"{Name}, {Words(cut)}", change(Sampling));

    private static string Words(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
