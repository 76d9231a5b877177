using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Matrix products.</summary>
public sealed partial class TorchBackend
{
    public override void Linear(
        Tensor x,
        PackedWeight weight,
        Tensor bias,
        ReadOnlySpan<RowSegment> segments,
        Activation activation,
        Tensor residual,
        Tensor output)
    {
        var packed = (TorchPackedWeight)weight;
        Shapes.Linear(x, weight, bias, segments, residual, output);
        if (x.Rows == 0)
            return;
        using var operation = _context.Begin();
        var result = View(output);
        if (segments.Length == 0)
            Product(View(x), packed, mask: null, result);
        else
            Product(View(x), packed, segments, result);
        Finish(result, bias, activation, residual);
    }

    public override void Project(Tensor x, Tensor weight, Tensor bias, Tensor output)
    {
        Shapes.Project(x, weight, bias, output);
        using var operation = _context.Begin();
        var result = View(output).addmm_(View(x), View(weight).t(), beta: 0, alpha: 1);
        if (!bias.IsNone)
            result.add_(View(bias));
    }

    public override void Multiply(
        Tensor a, Tensor b, Transposed transposed, Selection selection, Tensor bias, bool accumulate, Tensor output)
    {
        Shapes.Multiply(a, b, transposed, selection, bias, output);
        if (output.Rows == 0)
            return;
        using var operation = _context.Begin();
        var right = View(b);
        if (!selection.Scores.IsNone)
            right = right.where(Above(selection.Scores, selection.Threshold), _context.Zero);
        if (transposed == Transposed.Right)
            right = right.t();
        var left = transposed == Transposed.Left ? View(a).t() : View(a);
        var result = View(output).addmm_(left, right, beta: accumulate ? 1 : 0, alpha: 1);
        if (!bias.IsNone)
            result.add_(View(bias));
    }

    /// <summary>Which elements are above a number: a tensor of bool.</summary>
    private static torch.Tensor Above(Tensor x, float threshold)
    {
        using var number = threshold.ToScalar();
        return View(x).gt(number);
    }

    /// <summary>Products of neighbouring segments with the same mask are one.</summary>
    private void Product(
        torch.Tensor x, TorchPackedWeight weight, ReadOnlySpan<RowSegment> segments, torch.Tensor result)
    {
        var row = 0L;
        for (var i = 0; i < segments.Length;)
        {
            var mask = segments[i].Mask;
            var rows = 0L;
            for (; i < segments.Length && (segments[i].Mask == mask || segments[i].Rows == 0); i++)
                rows += segments[i].Rows;
            if (rows > 0)
                Product(x.narrow(0, row, rows), weight, (TorchPackedMask?)mask, result.narrow(0, row, rows));
            row += rows;
        }
    }

    private void Product(torch.Tensor x, TorchPackedWeight weight, TorchPackedMask? mask, torch.Tensor result)
    {
        if (weight.Format == WeightFormat.BFloat16 && _hasBFloat16Products)
        {
            var rounded = _masked.Get(weight, mask, torch.ScalarType.BFloat16);
            result.copy_(x.to(torch.ScalarType.BFloat16).mm(rounded.t()));
            return;
        }

        result.addmm_(x, _masked.Get(weight, mask, torch.ScalarType.Float32).t(), beta: 0, alpha: 1);
    }

    private static void Finish(torch.Tensor result, Tensor bias, Activation activation, Tensor residual)
    {
        if (!bias.IsNone)
            result.add_(View(bias));
        if (activation == Activation.Gelu)
            result.copy_(result.gelu());
        else if (activation == Activation.GeluTanh)
            result.copy_(GeluTanh(result));
        else if (activation == Activation.Tanh)
            result.tanh_();
        if (!residual.IsNone)
            result.add_(View(residual));
    }
}
