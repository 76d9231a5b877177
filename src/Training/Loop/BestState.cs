using System.Runtime.InteropServices;
using Serving.Training.Autograd;
using Serving.Training.Checkpoints;

namespace Serving.Training.Loop;

/// <summary>A copy of what is served, as it was at the best evaluation; empty before the first.</summary>
/// <param name="parameters">Those whose values are served; frozen ones are left out.</param>
/// <param name="blobs">What else is served, such as a mask's bits: a name, and how to copy it.</param>
internal sealed class BestState(
    IEnumerable<Parameter> parameters, IEnumerable<(string Name, Func<byte[]> Copy)> blobs)
{
    private readonly Parameter[] _parameters = [.. parameters.Where(parameter => parameter.IsTrained)];
    private readonly (string Name, Func<byte[]> Copy)[] _blobs = [.. blobs];
    private readonly Dictionary<string, byte[]> _kept = new(StringComparer.Ordinal);

    /// <summary>What a checkpoint holds, by name.</summary>
    public IEnumerable<(string Name, byte[] Bytes)> Blobs => _kept.Select(blob => (blob.Key, blob.Value));

    /// <summary>A blob of the best state.</summary>
    public byte[] this[string blob] => _kept[blob];

    /// <summary>Copies the present state.</summary>
    public void Keep()
    {
        foreach (var (name, copy) in _blobs)
            _kept[name] = copy();
        foreach (var parameter in _parameters)
        {
            var bytes = new byte[(long)parameter.Value.Rows * parameter.Value.Columns * sizeof(float)];
            parameter.Value.CopyTo(MemoryMarshal.Cast<byte, float>(bytes.AsSpan()));
            _kept[NameOf(parameter)] = bytes;
        }
    }

    /// <summary>Puts the parameters' values back; nothing happens before the first copy.</summary>
    public void Restore()
    {
        foreach (var parameter in _parameters)
        {
            if (_kept.TryGetValue(NameOf(parameter), out var bytes))
                parameter.Value.CopyFrom(MemoryMarshal.Cast<byte, float>(bytes));
        }
    }

    /// <summary>Reads what a checkpoint holds.</summary>
    /// <exception cref="Models.ModelFileException">A part is missing.</exception>
    public void Read<TState>(Checkpoint<TState> checkpoint)
    {
        foreach (var (name, _) in _blobs)
            _kept[name] = checkpoint.ReadBytes(name);
        foreach (var parameter in _parameters)
            _kept[NameOf(parameter)] = checkpoint.ReadBytes(NameOf(parameter));
    }

    private static string NameOf(Parameter parameter) => "best value of " + parameter.Name;
}
