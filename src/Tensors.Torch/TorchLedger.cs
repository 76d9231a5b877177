namespace Serving.Tensors.Torch;

/// <summary>Bytes of the tensors that a backend's owners hold. Thread-safe.</summary>
internal sealed class TorchLedger
{
    private long _bytes;

    public long Bytes => Interlocked.Read(ref _bytes);

    public void Add(long bytes) => Interlocked.Add(ref _bytes, bytes);
}
