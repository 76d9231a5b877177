using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Losses, and other results that are one number.</summary>
public sealed partial class TorchBackend
{
    private const int BitsPerByte = 8;
    private const double LeastComplement = 1e-30;

    public override void SoftmaxCrossEntropy(
        Tensor logits, IndexBuffer labels, float scale, Tensor gradient, Scalar loss)
    {
        Shapes.SoftmaxCrossEntropy(logits, labels, gradient);
        if (logits.Rows == 0)
            return;
        using var operation = _context.Begin();
        var classes = OnDevice(labels).to(torch.ScalarType.Int64).view(-1, 1);
        var logarithms = View(logits).log_softmax(1);
        TorchScalarBuffer.Add(loss, logarithms.gather(1, classes).sum(torch.ScalarType.Float64).neg_());
        var minusOne = torch.ones_like(classes, torch.ScalarType.Float32).neg_();
        using var factor = scale.ToScalar();
        View(gradient).copy_(logarithms.exp_().scatter_add_(1, classes, minusOne).mul_(factor));
    }

    /// <remarks>With the odds f = p / (1 - p) of candidates and F their sum, as in the contract.</remarks>
    public override void SoftmaxUnlikelihood(
        Tensor logits, IndexBuffer labels, IndexBuffer candidates, IndexBuffer candidateOffsets, float scale,
        float penaltyScale, Tensor gradient, Scalar loss, Scalar penalty)
    {
        Shapes.SoftmaxUnlikelihood(logits, labels, candidates, candidateOffsets, gradient);
        if (logits.Rows == 0)
            return;
        using var operation = _context.Begin();
        using var least = LeastComplement.ToScalar();
        var classes = OnDevice(labels).to(torch.ScalarType.Int64).view(-1, 1);
        var logarithms = View(logits).to(torch.ScalarType.Float64).log_softmax(1);
        TorchScalarBuffer.Add(loss, logarithms.gather(1, classes).sum().neg_());
        var isCandidate = IsCandidate(logits, candidates.Values, candidateOffsets.Values);
        var complements = logarithms.expm1().neg_().clamp_min_(least);
        TorchScalarBuffer.Add(penalty, complements.log().mul_(isCandidate).sum().neg_());
        var p = logarithms.exp_();
        var odds = (p / complements).mul_(isCandidate);
        var sums = odds.sum(1, keepdim: true);
        var ofPenalty = Scaled((odds - sums).add_(isCandidate).mul_(p), penaltyScale);
        using var minusScale = (-(double)scale).ToScalar();
        var ofLabels = torch.full_like(classes, minusScale, torch.ScalarType.Float64);
        View(gradient).copy_(Scaled(p, scale).scatter_add_(1, classes, ofLabels).add_(ofPenalty));
    }

    /// <summary>1 where a class is a candidate of the row, [rows, classes].</summary>
    private torch.Tensor IsCandidate(Tensor logits, ReadOnlySpan<int> candidates, ReadOnlySpan<int> offsets)
    {
        var places = new long[candidates.Length];
        for (var row = 0; row < logits.Rows; row++)
        {
            for (var i = offsets[row]; i < offsets[row + 1]; i++)
                places[i] = ((long)row * logits.Columns) + candidates[i];
        }

        var marks = torch.zeros([logits.Rows, logits.Columns], torch.ScalarType.Float64, _context.Device);
        using var one = 1.0.ToScalar();
        if (places.Length > 0)
            marks.view(-1).index_fill_(0, _context.Upload((ReadOnlySpan<long>)places), one);
        return marks;
    }

    public override void CountCorrect(Tensor logits, IndexBuffer labels, Scalar count)
    {
        Shapes.Labels(nameof(CountCorrect), logits, labels);
        if (logits.Rows == 0)
            return;
        using var operation = _context.Begin();
        var found = View(logits).argmax(1).eq(OnDevice(labels));
        TorchScalarBuffer.Add(count, found.sum(torch.ScalarType.Float64));
    }

    public override void SquaredError(
        Tensor predictions, Tensor targets, float scale, Tensor gradient, Scalar loss)
    {
        Shapes.SquaredError(predictions, targets, gradient);
        using var operation = _context.Begin();
        var error = View(predictions) - View(targets);
        TorchScalarBuffer.Add(loss, Squares(error));
        View(gradient).copy_(Scaled(error, 2 * (double)scale));
    }

    public override void SumOfSquares(Tensor x, Scalar sum)
    {
        using var operation = _context.Begin();
        TorchScalarBuffer.Add(sum, Squares(View(x)));
    }

    public override void ReadBits(Tensor x, float threshold, Span<byte> bits)
    {
        Shapes.Bits(x, bits.Length);
        if (bits.IsEmpty)
            return;
        using var operation = _context.Begin();
        var elements = (long)x.Rows * x.Columns;
        var padded = torch.zeros([(long)bits.Length * BitsPerByte], torch.ScalarType.Byte, _context.Device);
        padded.narrow(0, 0, elements).copy_(Above(x, threshold).view(elements));
        var places = _context.Upload((ReadOnlySpan<byte>)[1, 2, 4, 8, 16, 32, 64, 128]);
        TorchContext.Download(
            padded.view(-1, BitsPerByte).mul_(places).sum(1, type: torch.ScalarType.Byte), bits);
    }

    /// <summary>Σ x², added up in double precision.</summary>
    private static torch.Tensor Squares(torch.Tensor x) => (x * x).sum(torch.ScalarType.Float64);
}
