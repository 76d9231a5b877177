using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Losses, and other results that are one number.</summary>
public sealed partial class TorchBackend
{
    private const int BitsPerByte = 8;

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
