namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Losses of cosines between rows, with gradients; for some hundred rows, so in double precision.</summary>
internal readonly unsafe struct CosineKernel
{
    private const double Epsilon = 1e-8; // For rows of zeros.

    public float* X { get; init; }

    public nint Stride { get; init; }

    public int Columns { get; init; }

    /// <summary>Shaped like X; added to.</summary>
    public float* Gradient { get; init; }

    public nint GradientStride { get; init; }

    /// <summary>See <see cref="TrainingBackend.CosineCrossEntropy"/>.</summary>
    /// <returns>The sum over the left rows, and how many find their partner.</returns>
    public (double Loss, int Correct) CrossEntropy(ReadOnlySpan<int> left, ReadOnlySpan<int> right, double scale)
    {
        var (loss, correct) = (0.0, 0);
        var cosines = new double[right.Length];
        for (var i = 0; i < left.Length; i++)
        {
            var (sum, best) = (0.0, 0);
            for (var j = 0; j < right.Length; j++)
            {
                cosines[j] = Cosine(Row(left[i]), Row(right[j]));
                sum += Math.Exp(cosines[j]);
                if (cosines[j] > cosines[best])
                    best = j;
            }

            loss += Math.Log(sum) - cosines[i];
            correct += best == i ? 1 : 0;
            for (var j = 0; j < right.Length; j++)
                AddGradient(left[i], right[j], scale * ((Math.Exp(cosines[j]) / sum) - (i == j ? 1 : 0)));
        }

        return (loss, correct);
    }

    /// <summary>See <see cref="TrainingBackend.CosineDistance"/>.</summary>
    /// <returns>The sums of losses and of cosines.</returns>
    public (double Loss, double Cosines) Distance(ReadOnlySpan<int> left, ReadOnlySpan<int> right, double scale)
    {
        var (loss, cosines) = (0.0, 0.0);
        for (var i = 0; i < left.Length; i++)
        {
            var cosine = Cosine(Row(left[i]), Row(right[i]));
            var shifted = Math.Max(1 + cosine, Epsilon);
            loss -= Math.Log(shifted / 2);
            cosines += cosine;
            AddGradient(left[i], right[i], -scale / shifted);
        }

        return (loss, cosines);
    }

    private static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b) =>
        Dot(a, b) / ((Norm(a) * Norm(b)) + Epsilon);

    private static double Norm(ReadOnlySpan<float> a) => Math.Sqrt(Dot(a, a));

    private static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += (double)a[i] * b[i];
        return sum;
    }

    private ReadOnlySpan<float> Row(int row) => new(X + (row * Stride), Columns);

    /// <summary>Adds a cosine's gradient to those of its two rows.</summary>
    private void AddGradient(int left, int right, double ofCosine)
    {
        var a = Row(left);
        var b = Row(right);
        var (dot, normA, normB) = (Dot(a, b), Norm(a), Norm(b));
        var denominator = (normA * normB) + Epsilon;
        var inA = normA == 0 ? 0 : dot * normB / (normA * denominator * denominator);
        var inB = normB == 0 ? 0 : dot * normA / (normB * denominator * denominator);
        var ofLeft = Gradient + (left * GradientStride);
        var ofRight = Gradient + (right * GradientStride);
        for (var i = 0; i < Columns; i++)
        {
            ofLeft[i] += (float)(ofCosine * ((b[i] / denominator) - (inA * a[i])));
            ofRight[i] += (float)(ofCosine * ((a[i] / denominator) - (inB * b[i])));
        }
    }
}
