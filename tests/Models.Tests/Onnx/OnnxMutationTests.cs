using Serving.Models.Bert;
using Serving.Models.Onnx;
using Serving.Models.Safetensors;

namespace Serving.Models.Tests.Onnx;

/// <summary>A file that was changed is read as the model that it has, or refused; it never ends the process.</summary>
public sealed class OnnxMutationTests
{
    private const int Flips = 400;
    private const int GraphField = 7;
    private const int NodeField = 1;
    private const int TensorField = 5;

    public static TheoryData<string> Exports => ["opset11", "opset17", "unfolded", "sdpa", "half"];

    [Theory]
    [MemberData(nameof(Exports))]
    public void Convert_FlippedBytes_ReadsOrRefuses(string export)
    {
        var original = ExportFolder.Read(export);
        var random = new Random(20);
        var read = 0;
        for (var i = 0; i < Flips; i++)
        {
            var file = original.ToArray();
            file[random.Next(file.Length)] ^= (byte)(1 << random.Next(8));
            read += Reads(file) ? 1 : 0;
        }

        Assert.InRange(read, 1, Flips - 1); // Weights and names may change; structure may not.
    }

    [Theory]
    [MemberData(nameof(Exports))]
    public void Convert_ATruncatedFile_IsRefused(string export)
    {
        var original = ExportFolder.Read(export);
        var graph = Part(original, 0, original.Length, GraphField);
        for (var length = 0; length < graph.End; length += 97)
            Assert.False(Reads(original[..length]), $"{length} bytes");
    }

    [Theory]
    [MemberData(nameof(Exports))]
    public void Convert_WithoutANodeOrATensor_HasTheSameModelOrIsRefused(string export)
    {
        var original = ExportFolder.Read(export);
        var graph = Part(original, 0, original.Length, GraphField);
        var parts = Parts(original, graph.Start, graph.End)
            .Where(part => part.Field is NodeField or TensorField).ToList();
        var weights = Weights(original);
        Assert.NotNull(weights);
        var refused = 0;
        foreach (var part in parts)
        {
            var found = Weights(Without(original, graph, part));
            refused += found is null ? 1 : 0;
            if (found is not null && found != weights)
                Assert.DoesNotContain("pooler", found, StringComparison.Ordinal); // Only it may be missing.
        }

        Assert.True(refused > 0.9 * parts.Count, $"{refused} of {parts.Count}");
    }

    private static bool Reads(byte[] onnx) => Weights(onnx) is not null;

    /// <returns>Names and sizes of the tensors that come out; null if it is refused.</returns>
    private static string? Weights(byte[] onnx)
    {
        using var folder = new ExportFolder(onnx);
        try
        {
            folder.Convert();
            _ = new BertFolder(folder.Target).LoadConfig();
        }
        catch (ModelFileException)
        {
            return null;
        }

        using var file = SafetensorsFile.Open(Path.Combine(folder.Target, ModelFiles.Weights));
        return string.Join('\n', file.Entries.Values);
    }

    /// <summary>The file without a part of its graph, whose length is written anew.</summary>
    private static byte[] Without(byte[] file, Piece graph, Piece part)
    {
        var length = graph.End - graph.Start - (part.End - part.Begin);
        byte[] prefix = [.. Varint((GraphField << 3) | 2), .. Varint(length)];
        return
        [
            .. file[..graph.Begin], .. prefix, .. file[graph.Start..part.Begin], .. file[part.End..graph.End],
            .. file[graph.End..]
        ];
    }

    private static IEnumerable<byte> Varint(int value)
    {
        for (; value >= 0x80; value >>= 7)
            yield return (byte)(value | 0x80);
        yield return (byte)value;
    }

    private static Piece Part(byte[] file, int start, int end, int field) =>
        Parts(file, start, end).Single(part => part.Field == field);

    private static List<Piece> Parts(byte[] file, int start, int end)
    {
        var parts = new List<Piece>();
        var begin = start;
        for (var cursor = new WireCursor(file, start, end); cursor.MoveNext();)
        {
            parts.Add(new(cursor.Field, begin, cursor.Start, cursor.End));
            begin = cursor.End;
        }

        return parts;
    }

    /// <param name="Begin">Of its tag.</param>
    /// <param name="Start">Of its value.</param>
    private sealed record Piece(int Field, int Begin, int Start, int End);
}
