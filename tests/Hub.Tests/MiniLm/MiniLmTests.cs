using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Text.Bert;
using Tokenizers.DotNet;

namespace Serving.Hub.Tests.MiniLm;

/// <summary>A real model as others run it: ONNX Runtime its export, Hugging Face's tokenizers its vocabulary.</summary>
public sealed class MiniLmTests(MiniLmFixture model) : IClassFixture<MiniLmFixture>
{
    // Measured 9.1e-6 at most.
    private const double HiddenTolerance = 4e-5;

    // Measured 1.6e-6 of means and 3.1e-7 of the pooler's outputs at most.
    private const double PooledTolerance = 8e-6;

    private const int MaxBatchTokens = 1024;
    private const int Threads = 2;

    [Fact]
    public void Tokens_OfTextsOfEveryLength_AreHuggingFaces()
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("tokenizer.json");
        File.WriteAllText(path, UncasedTokenizerJson.Of(model.Folder.LoadTokenizer().Vocabulary));
        using var theirs = new Tokenizer(path);
        Assert.All(model.Texts.Zip(model.Sequences), pair => Assert.Equal(
            theirs.Encode(pair.First), pair.Second.Tokens.Select(token => (uint)token.Id)));
    }

    [Fact]
    public void HiddenStatesMeansAndPoolers_OfEveryLength_AreOnnxRuntimes()
    {
        Assert.Equal(
            Enumerable.Range(BertTokenizer.FewestTokens, 510), // 3 to 512
            model.Sequences.Select(sequence => sequence.Tokens.Count).Order());
        using var theirs = new OnnxRuntimeModel(model.Onnx, Threads);
        using var backend = new CpuBackend(Threads);
        using var encoder = model.Folder.LoadEncoder(backend);
        using var workspace = encoder.CreateWorkspace(2 * MaxBatchTokens, MaxBatchTokens); // Each twice.
        var batch = new BertBatch();
        var (hidden, mean, pooler) = (0.0, 0.0, 0.0);
        foreach (var sequences in Batches(model.Sequences))
        {
            batch.Clear();
            foreach (var sequence in sequences)
                batch.AddBranch(batch.AddSequence(sequence), masks: null, Pooling.Pooler);
            for (var i = 0; i < sequences.Count; i++)
                batch.AddBranch(i, masks: null, Pooling.Mean, wantsTokens: true);
            var pooled = encoder.Forward(batch, workspace);

            for (var i = 0; i < sequences.Count; i++)
            {
                var tokens = sequences[i].Tokens;
                var (states, expectedPooler) = theirs.Run(tokens);
                var branch = sequences.Count + i;
                var output = workspace.Output.Slice(batch.OutputOffsets[branch], tokens.Count);
                hidden = Math.Max(hidden, LargestDifference(states, output));
                mean = Math.Max(mean, LargestDifference(Mean(states, tokens.Count), pooled.Slice(branch, 1)));
                pooler = Math.Max(pooler, LargestDifference(expectedPooler, pooled.Slice(i, 1)));
            }
        }

        Assert.True(
            hidden <= HiddenTolerance && mean <= PooledTolerance && pooler <= PooledTolerance,
            $"Hidden states differ by {hidden:g3}, means by {mean:g3}, poolers by {pooler:g3}.");
    }

    private static IEnumerable<List<TokenSequence>> Batches(IEnumerable<TokenSequence> sequences)
    {
        var (batch, tokens) = (new List<TokenSequence>(), 0);
        foreach (var sequence in sequences)
        {
            if (tokens + sequence.Tokens.Count > MaxBatchTokens)
            {
                yield return batch;
                (batch, tokens) = ([], 0);
            }

            batch.Add(sequence);
            tokens += sequence.Tokens.Count;
        }

        yield return batch;
    }

    /// <param name="states">[tokens, hidden]</param>
    private static float[] Mean(float[] states, int tokens)
    {
        var sums = new double[states.Length / tokens];
        for (var i = 0; i < states.Length; i++)
            sums[i % sums.Length] += states[i];
        return [.. sums.Select(sum => (float)(sum / tokens))];
    }

    private static double LargestDifference(float[] expected, Tensor tensor)
    {
        var actual = tensor.ToArray();
        Assert.Equal(expected.Length, actual.Length);
        var largest = 0.0;
        for (var i = 0; i < expected.Length; i++)
        {
            var difference = Math.Abs((double)expected[i] - actual[i]);
            largest = difference <= largest ? largest : difference; // A NaN stays.
        }

        return largest;
    }
}
