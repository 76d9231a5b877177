using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Functions of single elements, and the optimizer.</summary>
public sealed partial class TorchBackend
{
    public override void Apply(Elementwise function, Tensor a, Tensor b, Tensor output)
    {
        Shapes.Apply(function, a, b, output);
        using var operation = _context.Begin();
        var (x, result) = (View(a), View(output));
        switch (function)
        {
            case Elementwise.Gelu:
                result.copy_(x.gelu());
                break;
            case Elementwise.GeluGradient:
                result.copy_(GeluSlope(x).mul_(View(b)));
                break;
            case Elementwise.GeluTanh:
                result.copy_(GeluTanh(x));
                break;
            case Elementwise.GeluTanhGradient:
                result.copy_(GeluTanhSlope(x).mul_(View(b)));
                break;
            case Elementwise.Tanh:
                result.copy_(x.tanh());
                break;
            case Elementwise.TanhGradient:
                result.copy_((x * x).neg_().add_(_context.One).mul_(View(b)));
                break;
            case Elementwise.Add:
                result.copy_(x + View(b));
                break;
            case Elementwise.AddProduct:
                result.addcmul_(x, View(b), _context.One);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(function));
        }
    }

    public override void DropoutAdd(Tensor x, Dropout dropout, Tensor residual, Tensor output)
    {
        Shapes.DropoutAdd(x, dropout, residual, output);
        if (x.Rows == 0)
            return;
        using var operation = _context.Begin();
        var kept = View(x);
        if (dropout.Threshold > 0)
            kept = DropoutFactors.OfMatrix(_context, dropout, x.Rows, x.Columns).mul_(kept);
        View(output).copy_(residual.IsNone ? kept : kept + View(residual));
    }

    public override void Fill(Tensor x, float value)
    {
        using var operation = _context.Begin();
        using var number = value.ToScalar();
        View(x).fill_(number);
    }

    public override void Adam(Tensor parameter, Tensor gradient, Tensor mean, Tensor variance, in AdamStep step)
    {
        Shapes.Alike(nameof(Adam), gradient, parameter);
        Shapes.Alike(nameof(Adam), mean, parameter);
        Shapes.Alike(nameof(Adam), variance, parameter);
        using var operation = _context.Begin();
        var (p, m, v) = (View(parameter), View(mean), View(variance));
        var g = Scaled(View(gradient), step.GradientScale);
        if (!step.IsDecoupled && step.WeightDecay != 0)
            g.add_(Scaled(p, step.WeightDecay));
        var (correctionOfMean, correctionOfVariance) =
            (1 - Math.Pow(step.Beta1, step.Step), 1 - Math.Pow(step.Beta2, step.Step));
        using var beta1 = step.Beta1.ToScalar();
        using var beta2 = step.Beta2.ToScalar();
        using var restOf1 = (1 - (double)step.Beta1).ToScalar();
        using var restOf2 = (1 - (double)step.Beta2).ToScalar();
        using var epsilon = step.Epsilon.ToScalar();
        using var kept = (1 - (step.IsDecoupled ? (double)step.LearningRate * step.WeightDecay : 0)).ToScalar();
        using var size = (-step.LearningRate / correctionOfMean).ToScalar();
        m.mul_(beta1).add_(g, restOf1);
        v.mul_(beta2).addcmul_(g, g, restOf2);
        p.mul_(kept).addcdiv_(m, Scaled(v, 1 / correctionOfVariance).sqrt_().add_(epsilon), size);
    }

    private static torch.Tensor Scaled(torch.Tensor x, double factor)
    {
        using var number = factor.ToScalar();
        return x.mul(number);
    }

    /// <summary>d/dx x Φ(x) = Φ(x) + x φ(x).</summary>
    private static torch.Tensor GeluSlope(torch.Tensor x)
    {
        using var half = 0.5.ToScalar();
        using var one = 1.0.ToScalar();
        var distribution = Scaled(x, 1 / Math.Sqrt(2)).erf_().add_(one).mul_(half);
        var density = Scaled(x * x, -0.5).exp_();
        return distribution.add_(Scaled(density.mul_(x), 1 / Math.Sqrt(2 * Math.PI)));
    }

    /// <summary>x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.</summary>
    private static torch.Tensor GeluTanh(torch.Tensor x)
    {
        using var one = 1.0.ToScalar();
        var cubed = Scaled(x * x * x, 0.044715);
        return Scaled(Scaled(cubed.add_(x), Math.Sqrt(2 / Math.PI)).tanh_().add_(one).mul_(x), 0.5);
    }

    /// <summary>(1 + t) / 2 + x/2 (1 - t²) √(2/π) (1 + 0.134145 x²), where t is the tanh.</summary>
    private static torch.Tensor GeluTanhSlope(torch.Tensor x)
    {
        using var one = 1.0.ToScalar();
        var square = x * x;
        var tanh = Scaled(Scaled(square, 0.044715).add_(one).mul_(x), Math.Sqrt(2 / Math.PI)).tanh_();
        var flatness = (tanh * tanh).neg_().add_(one);
        var slope = Scaled(Scaled(square, 3 * 0.044715).add_(one), Math.Sqrt(2 / Math.PI) / 2);
        return Scaled(tanh.add_(one), 0.5).add_(slope.mul_(flatness).mul_(x));
    }
}
