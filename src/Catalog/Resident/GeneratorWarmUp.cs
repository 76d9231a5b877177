using Serving.Models.Decoders;

namespace Serving.Catalog.Resident;

/// <summary>Steps before clients wait for any, as <see cref="ModelWarmUp"/> does for encoders.</summary>
internal static class GeneratorWarmUp
{
    private const int PromptTokens = 32;
    private const int Steps = 256;

    /// <summary>Those of a small model end before.</summary>
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(0.5);

    /// <summary>A prompt, then a token at a time, again and again.</summary>
    public static void Run(Decoder decoder, TimeProvider time)
    {
        var tokens = Math.Min(PromptTokens, decoder.Config.MaxPositions);
        var blocks = decoder.BlocksOf(Math.Min(2 * tokens, decoder.Config.MaxPositions));
        using var cache = decoder.CreateCache(blocks);
        using var workspace = decoder.CreateWorkspace(new(tokens, Sequences: 1, LogitRows: 1, blocks));
        var batch = new DecoderBatch();
        var sequence = new CachedSequence(decoder.BlockTokens);
        var begin = time.GetTimestamp();
        for (var step = 0; step < Steps && time.GetElapsedTime(begin) < MostTime; step++)
        {
            if (sequence.Tokens == Math.Min(sequence.Room, decoder.Config.MaxPositions))
            {
                sequence.Clear();
                for (var block = 0; block < blocks; block++)
                    sequence.AddBlock(block);
            }

            batch.Clear();
            batch.Add(sequence, new int[sequence.Tokens == 0 ? tokens : 1], LogitRows.Last);
            decoder.Forward(batch, cache, workspace);
        }
    }
}
