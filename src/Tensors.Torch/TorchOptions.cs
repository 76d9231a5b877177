namespace Serving.Tensors.Torch;

/// <summary>How a device of libtorch is used.</summary>
public sealed record TorchOptions
{
    /// <summary>Threads of operations on the processor, 1 or more; 0 for as many as libtorch takes by itself.</summary>
    /// <remarks>libtorch has one such number for the whole process.</remarks>
    public int Threads { get; init; }

    /// <summary>Bytes for masked weights of the tasks used last; none: 4 GiB on CUDA, 0 on the processor.</summary>
    public long? MaskedWeightBytes { get; init; }

    /// <summary>
    /// Whether neighbouring segments of as many rows are multiplied at once, each by its task's weight; none: on CUDA,
    /// where many small products leave most of the device idle.
    /// </summary>
    public bool? BatchedProducts { get; init; }

    /// <summary>
    /// Whether the other operand of bfloat16 weights is rounded to bfloat16, too; none: on CUDA, where such products
    /// are several times as fast.
    /// </summary>
    public bool? BFloat16Products { get; init; }
}
