using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Matrix products.</summary>
public sealed partial class TorchBackend
{
    private const long StackedBytes = 512L << 20; // For as long as one product takes.

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

    /// <summary>
    /// Products of neighbouring segments with the same mask are one; those of different masks are one call if they have
    /// as many rows as each other, and the device is used so.
    /// </summary>
    private void Product(
        torch.Tensor x, TorchPackedWeight weight, ReadOnlySpan<RowSegment> segments, torch.Tensor result)
    {
        var runs = MaskRun.Of(segments);
        var row = 0L;
        for (var first = 0; first < runs.Count;)
        {
            var count = _hasBatchedProducts ? MaskRun.CountEqual(runs, first, MostAtOnce(weight)) : 1;
            var rows = count * runs[first].Rows;
            var (operand, product) = (x.narrow(0, row, rows), result.narrow(0, row, rows));
            if (count == 1)
                Product(operand, weight, runs[first].Mask, product);
            else
                Products(operand, weight, runs.GetRange(first, count), product);
            row += rows;
            first += count;
        }
    }

    private void Product(torch.Tensor x, TorchPackedWeight weight, TorchPackedMask? mask, torch.Tensor result)
    {
        var type = ProductType(weight);
        var masked = _masked.Get(weight, mask, type).t();
        if (type == torch.ScalarType.BFloat16)
            result.copy_(x.to(type).mm(masked));
        else
            result.addmm_(x, masked, beta: 0, alpha: 1);
    }

    /// <summary>A product for each run, of as many rows as each other, at once.</summary>
    /// <param name="x">[runs * rows, inFeatures]</param>
    /// <param name="result">[runs * rows, outFeatures]</param>
    private void Products(torch.Tensor x, TorchPackedWeight weight, List<MaskRun> runs, torch.Tensor result)
    {
        var type = ProductType(weight);
        var masked = torch.empty([runs.Count, weight.OutFeatures, weight.InFeatures], type, _context.Device);
        for (var i = 0; i < runs.Count; i++) // One by one: what is kept may end with the next.
            masked.select(0, i).copy_(_masked.Get(weight, runs[i].Mask, type));
        var operands = x.view(runs.Count, runs[0].Rows, weight.InFeatures);
        var products = result.view(runs.Count, runs[0].Rows, weight.OutFeatures);
        products.copy_(operands.to(type).bmm(masked.transpose(1, 2)));
    }

    private torch.ScalarType ProductType(TorchPackedWeight weight) =>
        weight.Format == WeightFormat.BFloat16 && _hasBFloat16Products
            ? torch.ScalarType.BFloat16
            : torch.ScalarType.Float32;

    /// <summary>How many masked weights may lie beside each other for one call.</summary>
    private static int MostAtOnce(TorchPackedWeight weight) =>
        (int)Math.Max(1, StackedBytes / ((long)weight.OutFeatures * weight.InFeatures * sizeof(float)));

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
