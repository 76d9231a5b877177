using Serving.Decoding;

namespace Serving.Inference.Generation;

/// <summary>The ranges of what a <see cref="GenerationRequest"/> asks for beside its sampling.</summary>
internal static class GenerationChecks
{
    private const double MostLengthPenalty = 10;

    /// <returns>All that are out of range, or at odds with others.</returns>
    public static IReadOnlyList<SamplingViolation> Find(GenerationRequest request)
    {
        const int most = GenerationRequest.MostAnswers;
        var found = new List<SamplingViolation>();
        var beams = request.Beams;
        if (request.Answers is < 1 or > most)
            Add(nameof(request.Answers), request.Answers, $"be 1 to {most}");
        if (beams.Count is < 1 or > most)
            Add(nameof(request.Beams), beams.Count, $"be 1 to {most}");
        else if (request.Searches && request.Answers > beams.Count)
            Add(nameof(request.Answers), request.Answers, $"be no more than the beams, {beams.Count}");
        if (request.BestOf is < 0 or > most || (request.BestOf > 0 && request.BestOf < request.Answers))
            Add(nameof(request.BestOf), request.BestOf, $"be the answers, {request.Answers}, to {most}, or 0");
        else if (request is { BestOf: > 0, Searches: true })
            Add(nameof(request.BestOf), request.BestOf, "be 0 where beams search: they draw nothing to choose from");
        if (!(Math.Abs(beams.LengthPenalty) <= MostLengthPenalty)) // NaN is out of any range.
            Add(nameof(beams.LengthPenalty), beams.LengthPenalty, $"be -{MostLengthPenalty} to {MostLengthPenalty}");
        if (!Enum.IsDefined(beams.EarlyStopping))
            Add(nameof(beams.EarlyStopping), beams.EarlyStopping, "be one of the enumeration");
        if (request is { Searches: true, Sampling.TopLogProbabilities: > 0 })
        {
            Add(
                nameof(SamplingOptions.TopLogProbabilities), request.Sampling.TopLogProbabilities,
                "be 0 where beams search: they keep those of their own tokens");
        }

        return found;

        void Add(string name, IFormattable value, string needed) =>
            found.Add(new(name, FormattableString.Invariant($"It is {value}; it must {needed}.")));
    }
}
