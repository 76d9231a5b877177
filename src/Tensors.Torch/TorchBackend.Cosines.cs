using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Losses of cosines between rows; for some hundred rows, so in double precision.</summary>
public sealed partial class TorchBackend
{
    private const double CosineEpsilon = 1e-8; // For rows of zeros.

    public override void CosineCrossEntropy(
        Tensor x, IndexBuffer left, IndexBuffer right, float scale, Tensor gradient, Scalar loss, Scalar correct)
    {
        Shapes.Pairs(nameof(CosineCrossEntropy), x, left, right, gradient);
        using var operation = _context.Begin();
        if (left.Values.IsEmpty)
        {
            View(gradient).zero_();
            return;
        }

        var (a, b) = (Doubles(x, left), Doubles(x, right));
        var (normsOfA, normsOfB) = (Norms(a), Norms(b).t());
        var dots = a.mm(b.t());
        using var epsilon = CosineEpsilon.ToScalar();
        var denominators = normsOfA.mul(normsOfB).add_(epsilon);
        var cosines = dots / denominators;
        var logarithms = cosines.log_softmax(1);
        var partners = torch.arange(a.shape[0], torch.ScalarType.Int64, _context.Device);
        TorchScalarBuffer.Add(loss, logarithms.diagonal().sum().neg_());
        TorchScalarBuffer.Add(correct, cosines.argmax(1).eq(partners).sum(torch.ScalarType.Float64));
        var slopes = logarithms.exp_();
        slopes.diagonal().sub_(_context.One);
        slopes = Scaled(slopes, scale).div_(denominators);
        var ofNorms = slopes * dots / denominators;
        var ofA = slopes.mm(b) - Quotients(ofNorms * normsOfB, normsOfA).sum(1, keepdim: true).mul(a);
        var ofB = slopes.t().mm(a) - Quotients(ofNorms * normsOfA, normsOfB).sum(0, keepdim: true).t().mul(b);
        SetRows(gradient, left, ofA, right, ofB);
    }

    public override void CosineDistance(
        Tensor x, IndexBuffer left, IndexBuffer right, float scale, Tensor gradient, Scalar loss, Scalar cosines)
    {
        Shapes.Pairs(nameof(CosineDistance), x, left, right, gradient);
        using var operation = _context.Begin();
        if (left.Values.IsEmpty)
        {
            View(gradient).zero_();
            return;
        }

        var (a, b) = (Doubles(x, left), Doubles(x, right));
        var (normsOfA, normsOfB) = (Norms(a), Norms(b));
        var dots = (a * b).sum(1, keepdim: true);
        using var epsilon = CosineEpsilon.ToScalar();
        var denominators = normsOfA.mul(normsOfB).add_(epsilon);
        var values = dots / denominators;
        var shifted = values.add(_context.One).clamp_min(epsilon);
        TorchScalarBuffer.Add(loss, Scaled(shifted, 0.5).log_().sum().neg_());
        TorchScalarBuffer.Add(cosines, values.sum());
        var slopes = Scaled(shifted.reciprocal_(), -(double)scale).div_(denominators);
        var ofNorms = slopes * dots / denominators;
        SetRows(
            gradient,
            left, (slopes * b) - Quotients(ofNorms * normsOfB, normsOfA).mul(a),
            right, (slopes * a) - Quotients(ofNorms * normsOfA, normsOfB).mul(b));
    }

    private static torch.Tensor Doubles(Tensor x, IndexBuffer rows) =>
        View(x).index_select(0, OnDevice(rows)).to(torch.ScalarType.Float64);

    /// <summary>[rows, 1]</summary>
    private static torch.Tensor Norms(torch.Tensor rows) => (rows * rows).sum(1, keepdim: true).sqrt_();

    /// <summary>x / norms, and 0 for norms of 0.</summary>
    private torch.Tensor Quotients(torch.Tensor x, torch.Tensor norms) =>
        (x / norms).where(norms.expand(x.shape).gt(_context.Zero), _context.Zero.to(torch.ScalarType.Float64));

    /// <summary>Sets a gradient to what is added up for its rows.</summary>
    private void SetRows(
        Tensor gradient, IndexBuffer left, torch.Tensor ofLeft, IndexBuffer right, torch.Tensor ofRight)
    {
        var sums = torch.zeros([gradient.Rows, gradient.Columns], torch.ScalarType.Float64, _context.Device);
        AddRows(sums, OnDevice(left), ofLeft);
        AddRows(sums, OnDevice(right), ofRight);
        View(gradient).copy_(sums);
    }
}
