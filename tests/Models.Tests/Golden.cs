using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Text.Bert;

namespace Serving.Models.Tests;

/// <summary>The files that golden/make_golden.py wrote.</summary>
internal sealed class Golden : IMaskSource, IDisposable
{
    public const int Sequences = 4;
    public const int Labels = 3;

    private readonly SafetensorsFile _file = SafetensorsFile.Open(At("golden.safetensors"));

    public static BertFolder Folder => new(At("bert"));

    public IEnumerable<string> MaskNames => _file.Entries.Keys
        .Where(name => name.StartsWith("mask.", StringComparison.Ordinal))
        .Select(name => name["mask.".Length..]);

    public static string At(string name) => Path.Combine(AppContext.BaseDirectory, "golden", name);

    public TokenSequence Tokens(int sequence)
    {
        var ids = Integers($"{sequence}.ids");
        var types = Integers($"{sequence}.types");
        return new([.. ids.Zip(types, (id, type) => new Token(id, type, TokenSource.Text, default))], DroppedTokens: 0);
    }

    public float[] Floats(string name)
    {
        var values = new float[_file.Entry(name).ByteCount / sizeof(float)];
        _file.ReadFloats(name, 0, values);
        return values;
    }

    public bool HasMask(string name) => _file.Entries.ContainsKey("mask." + name);

    public ReadOnlySpan<byte> ReadMask(string name) => _file.Bytes("mask." + name);

    public (int Rows, int Columns) MaskShape(string name)
    {
        int[] sizes = [.. _file.Metadata["mask." + name].Split('x').Select(int.Parse)];
        return (sizes[0], sizes[1]);
    }

    public void Dispose() => _file.Dispose();

    private int[] Integers(string name)
    {
        var bytes = _file.Bytes(name).ToArray();
        return [.. Enumerable.Range(0, bytes.Length / sizeof(long))
            .Select(i => (int)BitConverter.ToInt64(bytes, i * sizeof(long)))];
    }
}
