namespace Serving.Tensors.Tests.Reference;

/// <summary>Functions of one number, in double, written down as the papers have them.</summary>
internal static class Formulas
{
    public static double Activate(double x, Activation activation) => activation switch
    {
        Activation.Gelu => Gelu(x),
        Activation.Tanh => Math.Tanh(x),
        Activation.GeluTanh => GeluTanh(x),
        _ => x
    };

    public static double Gelu(double x) => x * NormalDistribution(x);

    public static double GeluTanh(double x) =>
        0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));

    /// <summary>d/dx x Φ(x) = Φ(x) + x φ(x).</summary>
    public static double GeluSlope(double x) =>
        NormalDistribution(x) + (x * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI));

    /// <summary>With t = tanh(u): (1 + t) / 2 + x/2 (1 - t²) du/dx.</summary>
    public static double GeluTanhSlope(double x)
    {
        var t = Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)));
        return (0.5 * (1 + t))
            + (0.5 * x * (1 - (t * t)) * Math.Sqrt(2 / Math.PI) * (1 + (3 * 0.044715 * x * x)));
    }

    /// <summary>Error function by its Maclaurin series, which in double is exact to 1e-10 for |x| up to 4.</summary>
    public static double Erf(double x)
    {
        if (Math.Abs(x) > 4)
            return Math.Sign(x); // 1 - erf(4) is 1.5e-8, a quarter of a float's last bit.
        var term = x;
        var sum = x;
        for (var n = 1; Math.Abs(term) > 1e-18; n++)
        {
            term *= -x * x / n;
            sum += term / ((2 * n) + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private static double NormalDistribution(double x) => 0.5 * (1 + Erf(x / Math.Sqrt(2)));
}
