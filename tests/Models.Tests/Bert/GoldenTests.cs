using System.Security.Cryptography;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Tensors.Cpu;

namespace Serving.Models.Tests.Bert;

/// <summary>Every intermediate result as PyTorch has it, in float64, plain and through masks.</summary>
public sealed class GoldenTests
{
    // Values are of size 1 to 5. Measured between 2e-6 and 4e-6 at most, behind three layers.
    private const double Tolerance = 1e-5;

    [Fact]
    public void GoldenFiles_AreThoseThatTheGeneratorWrote()
    {
        foreach (var line in File.ReadLines(Golden.At("SHA256SUMS")))
        {
            var (digest, name) = (line[..64], line[66..]);
            Assert.Equal(digest, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Golden.At(name)))));
        }
    }

    [Theory]
    [InlineData("plain", 1, false)]
    [InlineData("masked", 1, false)]
    [InlineData("plain", 2, false)]
    [InlineData("masked", 2, false)]
    [InlineData("plain", 2, true)]
    [InlineData("masked", 2, true)]
    public void Forward_EveryIntermediate_IsPyTorchs(string kind, int threads, bool wantsTokens)
    {
        using var golden = new Golden();
        using var backend = new CpuBackend(threads);
        using var encoder = Golden.Folder.LoadEncoder(backend);
        using var masks = kind == "masked" ? BertMasks.Load(backend, encoder.Config, golden) : null;
        using var workspace = encoder.CreateWorkspace(maxTokens: 52, maxBranches: Golden.Sequences);
        var batch = new BertBatch();
        for (var sequence = 0; sequence < Golden.Sequences; sequence++)
            batch.AddBranch(batch.AddSequence(golden.Tokens(sequence)), masks, Pooling.Pooler, wantsTokens);
        var seen = 0;

        var pooled = encoder.Forward(batch, workspace, (name, output) =>
        {
            seen++;
            for (var sequence = 0; sequence < Golden.Sequences; sequence++)
            {
                // Behind the last attention there is one row for each sequence, unless all tokens are wanted.
                var expected = golden.Floats($"{sequence}.{kind}.{name}");
                var rows = output.Rows == Golden.Sequences ? 1 : golden.Tokens(sequence).Tokens.Count;
                var first = rows == 1 && output.Rows == Golden.Sequences ? sequence : batch.SequenceOffsets[sequence];
                AssertClose(expected.AsSpan(0, rows * output.Columns), output.Slice(first, rows).ToArray());
            }
        });

        Assert.Equal(2 + (4 * encoder.Config.Layers), seen);
        AssertLogits(golden, backend, encoder, kind, pooled);
    }

    private static void AssertLogits(
        Golden golden, CpuBackend backend, BertEncoder encoder, string kind, Tensors.Tensor pooled)
    {
        using var folder = new Testing.TemporaryFolder();
        using var pack = VersionFiles.Open(GoldenTask.Write(folder.Path, golden, encoder, withMasks: kind == "masked"));
        using var task = LoadedVersion.Load(backend, encoder, pack);
        using var logits = backend.Allocate(Golden.Sequences, Golden.Labels);
        task.Score(backend, pooled, logits);
        for (var sequence = 0; sequence < Golden.Sequences; sequence++)
            AssertClose(golden.Floats($"{sequence}.{kind}.logits"), logits.Slice(sequence, 1).ToArray());
    }

    private static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], (double)actual[i], Tolerance);
    }
}
