using Serving.Models;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Text.Bert;

namespace Serving.Catalog.Resident;

/// <summary>
/// Forward passes before clients wait for any: memory is touched, and code is called often enough to be compiled for
/// speed.
/// </summary>
internal static class ModelWarmUp
{
    private const int LongestPasses = 3;
    private const int ShortPasses = 256;
    private const int FewestTokens = 3; // Two are special ones.
    private const int ShortLengths = 32;

    /// <summary>For the short passes; those of a small model end before.</summary>
    private static readonly TimeSpan ShortTime = TimeSpan.FromSeconds(0.5);

    /// <summary>Passes of the longest text, then of short ones under a mask and without.</summary>
    public static void Run(TensorBackend backend, BertEncoder encoder, BertTokenizer tokenizer, TimeProvider time)
    {
        using var masks = BertMasks.Load(backend, encoder.Config, new ZeroMasks(encoder.Config));
        using var workspace = encoder.CreateWorkspace(2 * encoder.Config.MaxPositions, maxBranches: 2);
        var batch = new BertBatch();
        for (var i = 0; i < LongestPasses; i++)
            Pass(encoder.Config.MaxPositions, [null]);
        var begin = time.GetTimestamp();
        for (var i = 0; i < ShortPasses && time.GetElapsedTime(begin) < ShortTime; i++)
            Pass(Math.Min(FewestTokens + (i % ShortLengths), encoder.Config.MaxPositions), [masks, null]);

        void Pass(int tokens, ReadOnlySpan<BertMasks?> branches)
        {
            batch.Clear();
            var text = string.Join(' ', Enumerable.Repeat("a", tokens));
            var sequence = batch.AddSequence(tokenizer.Encode(text, pair: null, tokens, Truncation.Right));
            foreach (var branch in branches)
                batch.AddBranch(sequence, branch, encoder.Config.DefaultPooling);
            encoder.Forward(batch, workspace);
        }
    }

    private sealed class ZeroMasks(BertConfig config) : IMaskSource
    {
        private readonly Dictionary<string, byte[]> _bits = BertTensors.Maskable(config)
            .ToDictionary(
                tensor => tensor.Name,
                tensor => new byte[BitMask.ByteCount(tensor.Rows, tensor.Columns)],
                StringComparer.Ordinal);

        public bool HasMask(string name) => true;

        public ReadOnlySpan<byte> ReadMask(string name) => _bits[name];
    }
}
