using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Storage;

namespace Serving.Training.Pruning;

/// <summary>Which weights of a backbone a subnetwork keeps: a bit for each weight of some matrices.</summary>
public sealed class WeightMasks : IMaskSource
{
    private readonly Dictionary<string, byte[]> _bits;

    private WeightMasks(IReadOnlyList<(string Name, int Rows, int Columns)> tensors, Dictionary<string, byte[]> bits)
    {
        Tensors = tensors;
        _bits = bits;
        Total = tensors.Sum(tensor => (long)tensor.Rows * tensor.Columns);
        Kept = bits.Values.Sum(each => BitMask.PopCount(each));
    }

    /// <summary>The matrices that may be pruned, in the order in which their weights are numbered.</summary>
    public IReadOnlyList<(string Name, int Rows, int Columns)> Tensors { get; }

    /// <summary>Weights of all matrices.</summary>
    public long Total { get; }

    public long Kept { get; }

    /// <summary>The part that is dropped, 0 to 1.</summary>
    public double Sparsity => 1 - ((double)Kept / Total);

    /// <summary>What magnitude pruning of BERT ranks (Chen et al. 2020, sec. 3).</summary>
    /// <remarks>
    /// All matrices of the layers, and the pooler's if the head sees it; no embeddings, biases and norms.
    /// </remarks>
    public static IReadOnlyList<(string Name, int Rows, int Columns)> Prunable(BertConfig config, Pooling pooling) =>
        [.. BertTensors.Maskable(config).Where(tensor =>
            tensor.Name != BertTensors.PoolerWeight || pooling == Pooling.Pooler)];

    /// <summary>Keeps every weight.</summary>
    public static WeightMasks AllKept(IReadOnlyList<(string Name, int Rows, int Columns)> tensors) =>
        Of(tensors, tensor => BitMask.AllKept(tensor.Rows, tensor.Columns));

    /// <param name="bits">Of each matrix, see <see cref="BitMask"/>; kept, not copied.</param>
    public static WeightMasks Of(
        IReadOnlyList<(string Name, int Rows, int Columns)> tensors,
        Func<(string Name, int Rows, int Columns), byte[]> bits) =>
        new(tensors, tensors.ToDictionary(tensor => tensor.Name, bits, StringComparer.Ordinal));

    /// <summary>Reads what <see cref="Write"/> wrote for the same matrices.</summary>
    /// <exception cref="ModelFileException">The file is damaged, or has not the mask of a matrix.</exception>
    public static WeightMasks Read(string path, IReadOnlyList<(string Name, int Rows, int Columns)> tensors)
    {
        using var file = SafetensorsFile.Open(path);
        return Of(tensors, tensor =>
        {
            var bits = file.Bytes(file.Entry(tensor.Name).Name).ToArray();
            var needed = BitMask.ByteCount(tensor.Rows, tensor.Columns);
            return bits.Length == needed
                ? bits
                : throw new ModelFileException(
                    $"{path}: the mask of '{tensor.Name}' has {bits.Length} bytes; {needed} are needed.");
        });
    }

    public bool HasMask(string name) => _bits.ContainsKey(name);

    public ReadOnlySpan<byte> ReadMask(string name) => _bits[name];

    /// <summary>The bits of a matrix, not to be changed.</summary>
    public ReadOnlyMemory<byte> Bits(string name) => _bits[name];

    /// <summary>The part of a matrix that is kept, 0 to 1.</summary>
    public double KeptOf((string Name, int Rows, int Columns) tensor) =>
        BitMask.PopCount(_bits[tensor.Name]) / ((double)tensor.Rows * tensor.Columns);

    /// <summary>Writes a file of packed bits, in place of any other.</summary>
    public void Write(string path)
    {
        var writer = new SafetensorsWriter();
        foreach (var (name, _, _) in Tensors)
            writer.Add(name, SafetensorsTypes.UInt8, [_bits[name].Length], _bits[name]);
        DiskFileSystem.Instance.EnsureFolder(Path.GetDirectoryName(path)!);
        DiskFileSystem.Instance.Replace(path, writer.Write);
    }
}
