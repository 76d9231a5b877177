namespace Serving.Tensors.Cpu.Kernels;

/// <summary>One row of <see cref="TrainingBackend.SoftmaxUnlikelihood"/>.</summary>
internal unsafe ref struct UnlikelihoodArguments
{
    public float* Logits;
    public int Label;
    public ReadOnlySpan<int> Candidates;
    public float Scale;
    public float PenaltyScale;
    public float* Gradient;
    public int Columns;

    /// <summary>Room for the candidates' gradients.</summary>
    public Span<double> Scratch;
}

/// <summary>-ln p(label) and -ln(1 - p(candidate)), with their gradient.</summary>
/// <remarks>
/// With the odds f = p / (1 - p) of the candidates and F their sum, the penalty's gradient is p (1 + f - F) for a
/// candidate and -p F for others. At most one candidate has p above 1/2: its 1 - p is added up from the others, and its
/// odds, which can be huge, are kept out of sums in which they would cancel.
/// </remarks>
internal static unsafe class UnlikelihoodKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private const double LeastComplement = 1e-30;

    /// <returns>-ln p(label), and the sum of -ln(1 - p(candidate)).</returns>
    public static (double Loss, double Penalty) Run(in UnlikelihoodArguments row)
    {
        var largest = ElementKernels<TSimd, TVec>.Largest(row.Logits, row.Columns);
        var ofLabel = (double)row.Logits[row.Label] - largest;
        var sum = ElementKernels<TSimd, TVec>.ExpSum(row.Logits, largest, row.Gradient, row.Columns);
        var (likely, oddsOfLikely, odds, penalty) = (-1, 0.0, 0.0, 0.0);
        foreach (var candidate in row.Candidates)
        {
            var p = row.Gradient[candidate] / sum;
            var complement = 1 - p;
            if (p > 0.5)
            {
                complement = Math.Max(WithoutOne(row.Gradient, candidate, row.Columns) / sum, LeastComplement);
                (likely, oddsOfLikely) = (candidate, p / complement);
            }
            else
            {
                odds += p / complement;
            }

            penalty -= Math.Log(complement);
        }

        for (var i = 0; i < row.Candidates.Length; i++)
        {
            var candidate = row.Candidates[i];
            var p = row.Gradient[candidate] / sum;
            var others = candidate == likely ? odds : odds - (p / (1 - p)) + oddsOfLikely;
            row.Scratch[i] = p * (row.Scale + (row.PenaltyScale * (1 - others)));
        }

        ElementKernels<TSimd, TVec>.Scale(
            row.Gradient, (float)((row.Scale - (row.PenaltyScale * (odds + oddsOfLikely))) / sum), row.Columns);
        for (var i = 0; i < row.Candidates.Length; i++)
            row.Gradient[row.Candidates[i]] = (float)row.Scratch[i];
        row.Gradient[row.Label] -= row.Scale;
        return (Math.Log(sum) - ofLabel, penalty);
    }

    /// <summary>The sum of all elements but one.</summary>
    private static double WithoutOne(float* x, int one, int columns)
    {
        var sum = 0.0;
        for (var i = 0; i < columns; i++)
            sum += i == one ? 0 : x[i];
        return sum;
    }
}
