using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Serving.Models.Safetensors;
using Serving.Testing;

namespace Serving.Models.Tests.Safetensors;

public sealed class SafetensorsTests
{
    [Fact]
    public void Write_ThenOpen_GivesTheSameTensors()
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("a.safetensors");
        var writer = new SafetensorsWriter();
        writer.Add("b", [2, 2], [1f, -2f, float.NaN, 0.5f]);
        writer.Add("a", SafetensorsTypes.Float16, [2], new byte[] { 0x00, 0x3C, 0x00, 0xC0 }); // 1, -2
        writer.Add("c", SafetensorsTypes.BFloat16, [2], new byte[] { 0x80, 0x3F, 0x40, 0x40 }); // 1, 3
        writer.Add("d", SafetensorsTypes.UInt8, [3], new byte[] { 7, 8, 9 });
        writer.Add("empty", SafetensorsTypes.Float32, [0, 5], ReadOnlyMemory<byte>.Empty);
        writer.Metadata["note"] = "ä";
        using (var stream = File.Create(path))
            writer.Write(stream);

        using var file = SafetensorsFile.Open(path);

        Assert.Equal(["a", "b", "c", "d", "empty"], file.Entries.Keys.Order());
        Assert.Equal([1f, -2f, float.NaN, 0.5f], Floats(file, "b", 4));
        Assert.Equal([float.NaN], Floats(file, "b", 1, first: 2));
        Assert.Equal([1f, -2f], Floats(file, "a", 2));
        Assert.Equal([1f, 3f], Floats(file, "c", 2));
        Assert.Equal([7, 8, 9], file.Bytes("d").ToArray());
        Assert.Equal([0L, 5L], file.Entry("empty").Shape);
        Assert.Equal("ä", file.Metadata["note"]);
        Assert.Throws<ModelFileException>(() => Floats(file, "d", 3));
        Assert.Throws<ModelFileException>(() => Floats(file, "b", 2, first: 3));
        Assert.EndsWith(
            "has no tensor 'x', which is needed; it has 5 others.",
            Assert.Throws<ModelFileException>(() => file.Entry("x")).Message);
    }

    [Theory]
    [InlineData("{", "is no safetensors header")]
    [InlineData("[]", "is no safetensors header")]
    [InlineData("{} {}", "is no safetensors header")]
    [InlineData("{\"a\": 1}", "is no safetensors header")]
    [InlineData("{\"a\": {\"dtype\": \"F32\", \"shape\": [1]}}", "lacks dtype, shape or two data_offsets")]
    [InlineData(
        "{\"a\": {\"dtype\": \"F32\", \"shape\": [\"1\"], \"data_offsets\": [0, 4]}}", "is no safetensors header")]
    [InlineData(
        "{\"a\": {\"dtype\": \"F32\", \"shape\": [1.5], \"data_offsets\": [0, 4]}}", "is no safetensors header")]
    [InlineData("{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}}", "lies at bytes 0 to 8 of 4")]
    [InlineData(
        "{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [-4, 0]}}", "lies at bytes -4 to 0 of 4")]
    [InlineData("{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 4]}}", "its type and shape need 8")]
    [InlineData(
        "{\"a\": {\"dtype\": \"F32\", \"shape\": [-1, -1], \"data_offsets\": [0, 4]}}", "need what no file holds")]
    [InlineData(
        "{\"a\": {\"dtype\": \"F32\", \"shape\": [4611686018427387905, 4], \"data_offsets\": [0, 4]}}",
        "need what no file holds")] // The product overflows to 16.
    [InlineData(
        "{\"a\": {\"dtype\": \"U8\", \"shape\": [3], \"data_offsets\": [0, 3]}, "
        + "\"b\": {\"dtype\": \"U8\", \"shape\": [2], \"data_offsets\": [2, 4]}}",
        "must neither overlap nor leave gaps")]
    [InlineData(
        "{\"a\": {\"dtype\": \"U8\", \"shape\": [3], \"data_offsets\": [1, 4]}}",
        "must neither overlap nor leave gaps")]
    [InlineData("{\"a\": {\"dtype\": \"U8\", \"shape\": [3], \"data_offsets\": [0, 3]}}", "4 follow the header")]
    [InlineData(
        "{\"a\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]}, "
        + "\"a\": {\"dtype\": \"U8\", \"shape\": [0], \"data_offsets\": [0, 0]}}",
        "has 'a' twice")]
    public void Open_HeaderThatLies_IsRefused(string header, string message)
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("a.safetensors");
        File.WriteAllBytes(
            path,
            [.. Length((ulong)Encoding.UTF8.GetByteCount(header)), .. Encoding.UTF8.GetBytes(header), 1, 2, 3, 4]);
        var exception = Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(path));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Q7")]
    [InlineData("C64")]
    [InlineData("F8_E8M0")]
    public void Tensor_OfAnUnknownType_KeepsNoOtherFromBeingRead(string type)
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("a.safetensors");
        var header = Encoding.UTF8.GetBytes(
            $"{{\"a\": {{\"dtype\": \"{type}\", \"shape\": [2], \"data_offsets\": [0, 3]}}, "
            + "\"b\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [3, 7]}}");
        File.WriteAllBytes(path, [.. Length((ulong)header.Length), .. header, 1, 2, 3, .. BitConverter.GetBytes(1.5f)]);
        using var file = SafetensorsFile.Open(path);
        var values = new float[1];
        file.ReadFloats("b", 0, values);
        Assert.Equal([1.5f], values);
        var exception = Assert.Throws<ModelFileException>(() => file.ReadFloats("a", 0, values));
        Assert.Contains($"'a' {type} [2] is no tensor of floats", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    [InlineData(100_000_001UL)]
    [InlineData(3UL)]
    public void Open_HeaderLengthThatLies_IsRefused(ulong length)
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("a.safetensors");
        File.WriteAllBytes(path, [.. Length(length), .. "{}"u8]);
        var exception = Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(path));
        Assert.Contains($"announces a header of {length} bytes; 2 follow", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_FilesThatAreNone_SayWhy()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.At("short"), [1, 2, 3]);
        Assert.Contains(
            "has 3 bytes; a safetensors file begins with 8",
            Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(folder.At("short"))).Message,
            StringComparison.Ordinal);
        Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(folder.At("missing")));
        Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(folder.Path));
    }

    [Fact]
    public void Open_AnySoundFileCutOrChanged_OpensOrIsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("a.safetensors");
        var writer = new SafetensorsWriter();
        writer.Add("weight", [2, 3], [1f, 2f, 3f, 4f, 5f, 6f]);
        writer.Add("bits", SafetensorsTypes.UInt8, [3], new byte[] { 1, 2, 3 });
        using var memory = new MemoryStream();
        writer.Write(memory);
        var sound = memory.ToArray();

        for (var length = 0; length < sound.Length; length++)
        {
            File.WriteAllBytes(path, sound[..length]);
            Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(path));
        }

        Prop.ForAll<int, byte>((position, value) =>
        {
            var changed = sound.ToArray();
            changed[(uint)position % changed.Length] = value;
            File.WriteAllBytes(path, changed);
            try
            {
                using var file = SafetensorsFile.Open(path);
                foreach (var name in file.Entries.Keys)
                    Assert.Equal(file.Entry(name).ByteCount, file.Bytes(name).ToArray().Length);
            }
            catch (ModelFileException)
            {
            }
        }).QuickCheckThrowOnFailure();
    }

    private static byte[] Length(ulong length)
    {
        var bytes = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        return bytes;
    }

    private static float[] Floats(SafetensorsFile file, string name, int count, long first = 0)
    {
        var values = new float[count];
        file.ReadFloats(name, first, values);
        return values;
    }
}
