namespace Serving.Tables.Tests;

/// <summary>Bytes that come a few at a time.</summary>
internal sealed class ChunkedStream(byte[] bytes, int seed) : MemoryStream(bytes)
{
    private const int LargestChunk = 5;

    private readonly Random _random = new(seed);

    public override int Read(byte[] buffer, int offset, int count) =>
        base.Read(buffer, offset, Math.Min(count, _random.Next(1, LargestChunk + 1)));
}
