using System.Buffers.Binary;
using Xunit;

namespace Serving.Storage.Tests;

public sealed class MappedFileTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    [Fact]
    public void Read_CopiesValuesFromAnyByte()
    {
        var bytes = new byte[11];
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(3), 17);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(7), -5);
        File.WriteAllBytes(_path, bytes);
        using var file = MappedFile.Open(_path);
        var values = new int[2];
        file.Read(3, values.AsSpan());
        Assert.Equal([17, -5], values);
        Assert.Equal(bytes[7..], file.Bytes(7, 4));
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 5)]
    [InlineData(3, 2)]
    [InlineData(5, 0)]
    [InlineData(long.MaxValue, 1)]
    [InlineData(0, -1)]
    public void Bytes_OutsideOfTheFile_AreRefused(long first, int count)
    {
        File.WriteAllBytes(_path, new byte[4]);
        using var file = MappedFile.Open(_path);
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = file.Bytes(first, count).Length);
    }

    [Fact]
    public void Open_OfAnEmptyFile_HasNoBytes()
    {
        File.WriteAllBytes(_path, []);
        using var file = MappedFile.Open(_path);
        Assert.Equal(0, file.Length);
        Assert.True(file.Bytes(0, 0).IsEmpty);
    }

    [Fact]
    public void Open_OfNoFile_SaysSo() => Assert.Throws<FileNotFoundException>(() => MappedFile.Open(_path));

    public void Dispose() => File.Delete(_path);
}
