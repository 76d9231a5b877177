namespace Serving.Tensors.Cpu.Kernels;

/// <summary>The slow, obvious twin of <see cref="GemmTile{TSimd,TVec}"/>: the same bits, from plain arrays.</summary>
internal static class ScalarGemm
{
    /// <summary>c[row, feature] = Σ x[row, k] * w[feature, k] over the k whose bit is 1.</summary>
    /// <param name="x">[rows, inFeatures]</param>
    /// <param name="w">[outFeatures, inFeatures]</param>
    /// <param name="keep">Row-major bits of w, least significant first; empty keeps all.</param>
    /// <returns>[rows, outFeatures]</returns>
    public static float[] Run(
        ReadOnlySpan<float> x, ReadOnlySpan<float> w, ReadOnlySpan<byte> keep, int rows, int outFeatures,
        int inFeatures)
    {
        var c = new float[rows * outFeatures];
        for (var row = 0; row < rows; row++)
        {
            for (var feature = 0; feature < outFeatures; feature++)
            {
                var sum = 0f;
                for (var k = 0; k < inFeatures; k++)
                {
                    var at = (feature * inFeatures) + k;
                    var isKept = keep.IsEmpty || ((keep[at / 8] >> (at % 8)) & 1) != 0;
                    sum = SimdScalar.MultiplyAdd(isKept ? w[at] : 0f, x[(row * inFeatures) + k], sum);
                }

                c[(row * outFeatures) + feature] = sum;
            }
        }

        return c;
    }
}
