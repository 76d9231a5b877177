using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Transcendental functions of vectors. Errors against double are measured in the tests.</summary>
internal static class VectorMath<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>e^x for x up to 88; below -87 it stays at e^-87, which is 1.6e-38.</summary>
    /// <remarks>2^n * p(r) with r = x - n ln 2 in [-ln2/2, ln2/2]; the polynomial is that of Cephes' expf.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Exp(TVec x)
    {
        x = TSimd.Min(TSimd.Create(88f), TSimd.Max(TSimd.Create(-87f), x));
        var n = TSimd.Round(TSimd.Multiply(x, TSimd.Create(1.44269504f)));
        var r = TSimd.MultiplyAdd(n, TSimd.Create(-0.693359375f), x); // ln 2 in two parts, the first exact in few bits.
        r = TSimd.MultiplyAdd(n, TSimd.Create(2.12194440e-4f), r);
        var p = TSimd.Create(1.9875691500e-4f);
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(1.3981999507e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(8.3334519073e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(4.1665795894e-2f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(1.6666665459e-1f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(5.0000001201e-1f));
        p = TSimd.MultiplyAdd(p, TSimd.Multiply(r, r), TSimd.Add(r, TSimd.Create(1f)));
        return TSimd.ScaleByPowerOfTwo(p, n);
    }

    /// <summary>The error function: a rational approximation in x² on [-4, 4], where float's erf ends.</summary>
    /// <remarks>Coefficients as in Eigen's and XLA's float erf.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Erf(TVec x)
    {
        x = TSimd.Min(TSimd.Create(4f), TSimd.Max(TSimd.Create(-4f), x));
        var s = TSimd.Multiply(x, x);
        var p = TSimd.Create(-2.72614225801306e-10f);
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(2.77068142495902e-08f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(-2.10102402082508e-06f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(-5.69250639462346e-05f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(-7.34990630326855e-04f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(-2.95459980854025e-03f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(-1.60960333262415e-02f));
        var q = TSimd.Create(-1.45660718464996e-05f);
        q = TSimd.MultiplyAdd(q, s, TSimd.Create(-2.13374055278905e-04f));
        q = TSimd.MultiplyAdd(q, s, TSimd.Create(-1.68282697438203e-03f));
        q = TSimd.MultiplyAdd(q, s, TSimd.Create(-7.37332916720468e-03f));
        q = TSimd.MultiplyAdd(q, s, TSimd.Create(-1.42647390514189e-02f));
        return TSimd.Divide(TSimd.Multiply(x, p), q);
    }

    /// <summary>x/2 (1 + erf(x / √2)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Gelu(TVec x)
    {
        var half = TSimd.Multiply(x, TSimd.Create(0.5f));
        return TSimd.MultiplyAdd(half, Erf(TSimd.Multiply(x, TSimd.Create(0.707106781f))), half);
    }

    /// <summary>x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec GeluTanh(TVec x)
    {
        var cube = TSimd.Multiply(TSimd.Multiply(x, x), x);
        var inner = TSimd.MultiplyAdd(cube, TSimd.Create(0.044715f), x);
        var scaled = TSimd.Multiply(inner, TSimd.Create(0.797884561f));

        // Below -9 the sum is 0 in float, and what the approximation leaves would grow with x.
        var sum = TSimd.Add(TSimd.Create(1f), Tanh(scaled));
        var kept = TSimd.KeepAbove(scaled, TSimd.Create(-9f), sum);
        return TSimd.Multiply(TSimd.Multiply(x, TSimd.Create(0.5f)), kept);
    }

    /// <summary>GELU's derivative: Φ(x) + x φ(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec GeluSlope(TVec x)
    {
        var half = TSimd.Create(0.5f);
        var cumulative = TSimd.MultiplyAdd(half, Erf(TSimd.Multiply(x, TSimd.Create(0.707106781f))), half);
        var density = Exp(TSimd.Multiply(TSimd.Multiply(x, x), TSimd.Create(-0.5f)));
        return TSimd.MultiplyAdd(TSimd.Multiply(x, TSimd.Create(0.398942280f)), density, cumulative);
    }

    /// <summary>The derivative of <see cref="GeluTanh"/>: s + 2 x s (1 - s) du/dx.</summary>
    /// <remarks>
    /// With u = √(2/π) (x + 0.044715 x³) and s = (1 + tanh(u)) / 2 = 1 / (1 + e^-2u); from e = e^-2|u|, which loses no
    /// digits where s is near 0 or 1.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec GeluTanhSlope(TVec x)
    {
        var one = TSimd.Create(1f);
        var square = TSimd.Multiply(x, x);
        var u = TSimd.Multiply(
            TSimd.MultiplyAdd(TSimd.Multiply(square, x), TSimd.Create(0.044715f), x), TSimd.Create(0.797884561f));
        var slope = TSimd.MultiplyAdd(square, TSimd.Create(0.107032220f), TSimd.Create(0.797884561f));
        var minusU = TSimd.Multiply(u, TSimd.Create(-1f));
        var e = Exp(TSimd.Multiply(TSimd.Max(u, minusU), TSimd.Create(-2f)));
        var r = TSimd.Divide(one, TSimd.Add(one, e));
        var s = TSimd.Multiply(r, TSimd.Add(e, TSimd.KeepAbove(u, TSimd.Create(0f), TSimd.Subtract(one, e))));
        var flatness = TSimd.Multiply(TSimd.Multiply(e, r), r);
        return TSimd.MultiplyAdd(TSimd.Multiply(TSimd.Add(x, x), flatness), slope, s);
    }

    /// <summary>tanh: a rational approximation on [-7.9, 7.9], beyond which float's tanh is 1.</summary>
    /// <remarks>Coefficients as in Eigen's float tanh.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Tanh(TVec x)
    {
        x = TSimd.Min(TSimd.Create(7.90531110763549805f), TSimd.Max(TSimd.Create(-7.90531110763549805f), x));
        var s = TSimd.Multiply(x, x);
        var p = TSimd.Create(-2.76076847742355e-16f);
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(2.00018790482477e-13f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(-8.60467152213735e-11f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(5.12229709037114e-08f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(1.48572235717979e-05f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(6.37261928875436e-04f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Create(4.89352455891786e-03f));
        var q = TSimd.Create(1.19825839466702e-06f);
        q = TSimd.MultiplyAdd(q, s, TSimd.Create(1.18534705686654e-04f));
        q = TSimd.MultiplyAdd(q, s, TSimd.Create(2.26843463243900e-03f));
        q = TSimd.MultiplyAdd(q, s, TSimd.Create(4.89352518554385e-03f));
        return TSimd.Divide(TSimd.Multiply(x, p), q);
    }
}
