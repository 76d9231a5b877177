using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>The memory behind tensors: one flat tensor of libtorch.</summary>
internal sealed class TorchStorage(TorchContext context, long elements) : Storage
{
    private const int ElementsPerCopy = 16 << 20; // Copies of large tensors need this much memory on the host.

    private readonly TorchMemory _memory = context.Allocate(elements, torch.ScalarType.Float32);

    public override long Bytes => _memory.Bytes;

    /// <summary>[elements]</summary>
    public torch.Tensor Values => _memory.Values;

    public override void Write(long offset, int rows, int columns, int stride, ReadOnlySpan<float> values)
    {
        Shapes.Copy(offset, rows, columns, stride, values.Length, Bytes / sizeof(float));
        var most = Math.Max(1, ElementsPerCopy / Math.Max(1, columns));
        for (var row = 0; row < rows; row += most)
        {
            var count = Math.Min(most, rows - row);
            using var operation = context.Begin();
            Rows(offset, row, count, columns, stride)
                .copy_(context.Upload(values.Slice(row * columns, count * columns)).view(count, columns));
        }
    }

    public override void Read(long offset, int rows, int columns, int stride, Span<float> values)
    {
        Shapes.Copy(offset, rows, columns, stride, values.Length, Bytes / sizeof(float));
        var most = Math.Max(1, ElementsPerCopy / Math.Max(1, columns));
        for (var row = 0; row < rows; row += most)
        {
            var count = Math.Min(most, rows - row);
            using var operation = context.Begin();
            TorchContext.Download(
                Rows(offset, row, count, columns, stride), values.Slice(row * columns, count * columns));
        }
    }

    public override void Dispose() => _memory.Dispose();

    private torch.Tensor Rows(long offset, int first, int rows, int columns, int stride) =>
        Values.as_strided([rows, columns], [stride, 1], offset + ((long)first * stride));
}
