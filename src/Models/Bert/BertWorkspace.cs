using Serving.Tensors;

namespace Serving.Models.Bert;

/// <summary>The intermediate values of one forward pass at a time, allocated once for the largest batch.</summary>
public sealed class BertWorkspace : IDisposable
{
    private readonly List<Tensor> _owned = [];

    internal BertWorkspace(TensorBackend backend, BertConfig config, int maxTokens, int maxBranches)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBranches, 1);
        MaxTokens = maxTokens;
        MaxBranches = maxBranches;
        Tensor Own(int rows, int columns)
        {
            var tensor = backend.Allocate(rows, columns);
            _owned.Add(tensor);
            return tensor;
        }

        Hidden = Own(maxTokens, config.Hidden);
        Sum = Own(maxTokens, config.Hidden);
        Context = Own(maxTokens, config.Hidden);
        Attention = Own(maxTokens, 3 * config.Hidden);
        Inner = Own(maxTokens, config.Inner);
        First = Own(maxBranches, config.Hidden);
        FirstQuery = Own(maxBranches, config.Hidden);
        FirstContext = Own(maxBranches, config.Hidden);
        Pooled = Own(maxBranches, config.Hidden);
        Segments = new RowSegment[maxBranches];
        Rows = new int[Math.Max(maxTokens, maxBranches)];
        FirstOffsets = [.. Enumerable.Range(0, maxBranches + 1)];
    }

    /// <summary>The most tokens of a batch, counted over its branches, and over its sequences.</summary>
    public int MaxTokens { get; }

    public int MaxBranches { get; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes => _owned.Sum(tensor => tensor.Storage.Bytes);

    internal Tensor Hidden { get; }

    internal Tensor Sum { get; }

    internal Tensor Context { get; }

    internal Tensor Attention { get; }

    internal Tensor Inner { get; }

    // One row for each branch: its [CLS].
    internal Tensor First { get; }

    internal Tensor FirstQuery { get; }

    internal Tensor FirstContext { get; }

    internal Tensor Pooled { get; }

    internal RowSegment[] Segments { get; }

    internal int[] Rows { get; }

    /// <summary>0, 1, 2, ...: where each branch's one query begins in the last layer.</summary>
    internal int[] FirstOffsets { get; }

    public void Dispose()
    {
        foreach (var tensor in _owned)
            tensor.Dispose();
    }
}
