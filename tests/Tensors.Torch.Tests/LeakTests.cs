using System.Diagnostics;
using Serving.Models.Bert;
using Serving.Models.Tests;
using Serving.Text.Bert;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Optimization;
using Serving.Training.Tests;

namespace Serving.Tensors.Torch.Tests;

/// <summary>Tests that measure the process run alone.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "Alone";
}

/// <summary>Memory stays what it is over many batches, and over loading and unloading.</summary>
[NeedsLibtorch]
[Collection(AloneCollection.Name)]
public sealed class LeakTests
{
    private const int Batches = 2000;
    private const int WarmUp = 1000; // Until pools and caches of libtorch and of the runtime have their size.

    /// <summary>Growth of the resident size without the managed heap, which fragments.</summary>
    /// <remarks>Of 10,000 batches after few others 22 MiB were seen, of 18,000 after many 6 MiB.</remarks>
    private const long Tolerance = 32 << 20;

    private static readonly BertConfig Config =
        new() { Vocab = 300, Hidden = 64, Layers = 2, Heads = 4, Inner = 256, MaxPositions = 64 };

    [Theory]
    [InlineData(0)]
    [InlineData(300_000)] // A masked weight or two, so that they come and go.
    public void MixedBatches_LeaveMemoryAsItIs(long maskedWeightBytes)
    {
        using var backend = Libtorch.Backend(new() { MaskedWeightBytes = maskedWeightBytes });
        using (var encoder = BertEncoder.Load(backend, Config, new InitialParameters(seed: 1)))
        using (var workspace = encoder.CreateWorkspace(maxTokens: 1024, maxBranches: 16))
        {
            BertMasks?[] tasks = [null, Masks(backend, 1), Masks(backend, 2), Masks(backend, 3)];
            var before = default(Usage);
            for (var batch = 0; batch < Batches + WarmUp; batch++)
            {
                if (batch == WarmUp)
                    before = Usage.Now(backend);
                if (batch % 50 == 0)
                {
                    tasks[^1]!.Dispose();
                    tasks[^1] = Masks(backend, batch);
                }

                Run(encoder, workspace, tasks, batch);
            }

            Usage.Now(backend).AssertNotAbove(before);
            foreach (var task in tasks)
                task?.Dispose();
        }

        Assert.Equal(0, backend.AllocatedBytes);
    }

    [Fact]
    public void TrainingSteps_LeaveMemoryAsItIs()
    {
        const int steps = 500;
        const int warmUp = 500;
        using var backend = Libtorch.Backend();
        using var model = Small.Model(backend);
        using var head = new ClassifierHead(backend, Small.Labels, Small.Config.Hidden, seed: 3, isTrained: true);
        using var scores = BertScores.Create(backend, model, new(), seed: 2);
        scores.TrainAll();
        using var optimizer = new AdamOptimizer(backend, [.. scores.Parameters, .. head.Parameters], new());
        using var tape = new Tape(backend);
        var before = default(Usage);
        for (var step = 0; step < steps + warmUp; step++)
        {
            if (step == warmUp)
                before = Usage.Now(backend);
            var dropout = new DropoutKeys((ulong)step, hiddenRate: 0.1f, attentionRate: 0.1f);
            Small.Step(tape, model, head, scores, Small.Examples(8, seed: (ulong)(step % 20)), dropout);
            optimizer.Step(1e-3f);
        }

        Usage.Now(backend).AssertNotAbove(before);
    }

    [Fact]
    public void LoadingAndUnloading_LeavesMemoryAsItIs()
    {
        const int cycles = 100;
        const int warmUp = 20;
        using var backend = Libtorch.Backend();
        var before = default(Usage);
        for (var cycle = 0; cycle < cycles + warmUp; cycle++)
        {
            if (cycle == warmUp)
                before = Usage.Now(backend);
            using var encoder = BertEncoder.Load(
                backend, Config, new InitialParameters(seed: 1), (WeightFormat)(cycle % 3));
            using var workspace = encoder.CreateWorkspace(maxTokens: 1024, maxBranches: 16);
            using var masks = Masks(backend, cycle % 5);
            Run(encoder, workspace, [null, masks], cycle);
        }

        Usage.Now(backend).AssertNotAbove(before);
        Assert.Equal(0, backend.AllocatedBytes);
    }

    private static BertMasks Masks(TensorBackend backend, int seed) =>
        BertMasks.Load(backend, Config, new RandomMasks(Config, seed));

    private static void Run(BertEncoder encoder, BertWorkspace workspace, BertMasks?[] tasks, int seed)
    {
        var random = new Random(seed);
        var batch = new BertBatch();
        foreach (var task in tasks)
        {
            for (var i = random.Next(1, 4); i > 0; i--)
            {
                Token[] tokens =
                    [.. Enumerable.Range(0, random.Next(2, 60)).Select(
                        _ => new Token(random.Next(Config.Vocab), 0, TokenSource.Text, default))];
                batch.AddBranch(batch.AddSequence(new(tokens, DroppedTokens: 0)), task);
            }
        }

        encoder.Forward(batch, workspace).ToArray();
    }

    /// <summary>What the process holds.</summary>
    private readonly record struct Usage(long NativeBytes, long AllocatedBytes, long Tensors)
    {
        public static Usage Now(TensorBackend backend)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            using var process = Process.GetCurrentProcess();
            var native = process.WorkingSet64 - GC.GetGCMemoryInfo().TotalCommittedBytes;
            return new(native, backend.AllocatedBytes, TorchSharp.torch.Tensor.TotalCount);
        }

        public void AssertNotAbove(Usage before)
        {
            Assert.Equal(before.Tensors, Tensors);
            Assert.Equal(before.AllocatedBytes, AllocatedBytes);
            var growth = NativeBytes - before.NativeBytes;
            Assert.True(growth <= Tolerance, $"Native memory grew by {growth} bytes.");
        }
    }
}
