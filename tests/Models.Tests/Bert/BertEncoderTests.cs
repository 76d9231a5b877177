using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Text.Bert;

namespace Serving.Models.Tests.Bert;

public sealed class BertEncoderTests
{
    private const int Tasks = 5;

    public static TheoryData<int, int, WeightFormat> Batches => new()
    {
        { 2, 1, WeightFormat.Float32 },
        { 7, 1, WeightFormat.Float32 },
        { 64, 1, WeightFormat.Float32 },
        { 2, 2, WeightFormat.Float32 },
        { 7, 2, WeightFormat.Float32 },
        { 64, 2, WeightFormat.Float32 },
        { 7, 2, WeightFormat.BFloat16 },
        { 7, 2, WeightFormat.Int8 }
    };

    [Theory]
    [MemberData(nameof(Batches))]
    public void Forward_MixedTasksAndPoolingsInAnyOrder_HaveTheBitsOfEachAlone(
        int count, int threads, WeightFormat format)
    {
        using var backend = new CpuBackend(threads);
        using var alone = new CpuBackend(1);
        using var encoder = Golden.Folder.LoadEncoder(backend, format);
        using var aloneEncoder = Golden.Folder.LoadEncoder(alone, format);
        BertMasks?[] masks = [null, .. RandomTasks(backend, encoder.Config)];
        BertMasks?[] aloneMasks = [null, .. RandomTasks(alone, encoder.Config)];
        var random = new Random(count);
        (TokenSequence Tokens, int Task, Pooling Pooling, bool WantsTokens)[] texts =
        [
            .. Enumerable.Range(0, count).Select(_ => (
                RandomText(random, encoder.Config), random.Next(masks.Length), (Pooling)random.Next(3),
                random.Next(4) == 0))
        ];
        random.Shuffle(texts);
        texts = [.. texts.OrderBy(text => text.Pooling != Pooling.Pooler)];
        using var workspace = encoder.CreateWorkspace(count * 40, count);
        var batch = new BertBatch();
        foreach (var (tokens, task, pooling, wantsTokens) in texts)
            batch.AddBranch(batch.AddSequence(tokens), masks[task], pooling, wantsTokens);

        var pooled = encoder.Forward(batch, workspace);

        using var aloneWorkspace = aloneEncoder.CreateWorkspace(40, 1);
        for (var i = 0; i < count; i++)
        {
            var own = new BertBatch();
            own.AddBranch(
                own.AddSequence(texts[i].Tokens), aloneMasks[texts[i].Task], texts[i].Pooling, texts[i].WantsTokens);
            Assert.Equal(Bits(aloneEncoder.Forward(own, aloneWorkspace)), Bits(pooled.Slice(i, 1)));
            var rows = batch.OutputOffsets[i + 1] - batch.OutputOffsets[i];
            Assert.Equal(
                Bits(aloneWorkspace.Output), Bits(workspace.Output.Slice(batch.OutputOffsets[i], rows)));
        }

        foreach (var mask in masks.Concat(aloneMasks))
            mask?.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Forward_OneTextUnderSeveralTasks_SharesTheLayersBelowTheFirstMask(int firstMaskedLayer)
    {
        using var backend = new CpuBackend(2);
        using var encoder = Golden.Folder.LoadEncoder(backend);
        BertMasks[] masks =
        [
            .. Enumerable.Range(0, 3).Select(task => BertMasks.Load(
                backend, encoder.Config, new RandomMasks(encoder.Config, task, firstMaskedLayer)))
        ];
        var random = new Random(1);
        TokenSequence[] texts = [RandomText(random, encoder.Config), RandomText(random, encoder.Config)];
        using var workspace = encoder.CreateWorkspace(6 * 40, 6);
        var shared = new BertBatch();
        foreach (var text in texts)
            shared.AddSequence(text);
        (int Text, int Task)[] branches = [(0, 0), (1, 0), (1, 1), (0, 2), (0, 1)];
        foreach (var (text, task) in branches)
            shared.AddBranch(text, masks[task]);
        var rows = new List<int>();

        var pooled = Bits(encoder.Forward(shared, workspace, (name, output) =>
        {
            if (name.EndsWith("attention.self", StringComparison.Ordinal))
                rows.Add(output.Rows);
        }));

        var hidden = encoder.Config.Hidden;
        for (var i = 0; i < branches.Length; i++)
        {
            var own = new BertBatch();
            own.AddBranch(own.AddSequence(texts[branches[i].Text]), masks[branches[i].Task]);
            Assert.Equal(Bits(encoder.Forward(own, workspace)), pooled[(i * hidden)..((i + 1) * hidden)]);
        }

        // Layers below the first masked one saw each text once, the others each branch; the last layer sees [CLS] only.
        int[] expected =
        [
            .. Enumerable.Range(0, encoder.Config.Layers - 1)
                .Select(layer => layer < firstMaskedLayer ? shared.SequenceTokens : shared.BranchTokens),
            branches.Length
        ];
        Assert.Equal(expected, rows);
        Assert.All(
            masks, mask => Assert.Equal(Math.Min(firstMaskedLayer, encoder.Config.Layers), mask.FirstMaskedLayer));
        foreach (var mask in masks)
            mask.Dispose();
    }

    [Fact]
    public void Forward_Poolings_AreOfTheLastHiddenStates()
    {
        using var backend = new CpuBackend(2);
        using var encoder = Golden.Folder.LoadEncoder(backend);
        using var workspace = encoder.CreateWorkspace(120, 3);
        var text = RandomText(new Random(4), encoder.Config);
        var batch = new BertBatch();
        var sequence = batch.AddSequence(text);
        batch.AddBranch(sequence, masks: null, Pooling.Pooler);
        batch.AddBranch(sequence, masks: null, Pooling.Mean);
        batch.AddBranch(sequence, masks: null, Pooling.Cls);

        var pooled = encoder.Forward(batch, workspace);

        var (count, hidden) = (text.Tokens.Count, encoder.Config.Hidden);
        Assert.Equal([0, 1, 1 + count, 2 + count], batch.OutputOffsets.ToArray());
        var states = workspace.Output.Slice(1, count).ToArray().Chunk(hidden).ToList();
        Assert.Equal(states[0], workspace.Output.Slice(0, 1).ToArray());
        Assert.Equal(states[0], pooled.Slice(2, 1).ToArray());
        foreach (var (i, value) in pooled.Slice(1, 1).ToArray().Index())
            Assert.Equal(states.Average(state => (double)state[i]), value, 1e-6);
        Assert.NotEqual(states[0], pooled.Slice(0, 1).ToArray());
        Assert.Throws<ArgumentException>(() => batch.AddBranch(sequence, masks: null, Pooling.Pooler));
    }

    [Fact]
    public void MultiplyAdds_OfBertBase_AreItsWeightsAndItsAttention()
    {
        var config = new BertConfig { Vocab = 30522, Hidden = 768, Layers = 12, Heads = 12, Inner = 3072 };

        Assert.Equal(12 * ((7_077_888 * 10) + (10 * 2 * 10 * 768)), config.MultiplyAdds(10));
    }

    [Fact]
    public void Forward_ThroughMasks_HasTheBitsOfWeightsThatAreZeroed()
    {
        using var backend = new CpuBackend(2);
        using var encoder = Golden.Folder.LoadEncoder(backend);
        var source = new RandomMasks(encoder.Config, seed: 9);
        using var masks = BertMasks.Load(backend, encoder.Config, source);
        using var plain = BertEncoder.Load(backend, encoder.Config, new ZeroedWeights(source, dropped: 0f));
        using var hostile = BertEncoder.Load(backend, encoder.Config, new ZeroedWeights(source, dropped: float.NaN));
        var batch = new BertBatch();
        batch.AddBranch(batch.AddSequence(RandomText(new Random(3), encoder.Config)), masks);
        var unmasked = new BertBatch();
        unmasked.AddBranch(unmasked.AddSequence(RandomText(new Random(3), encoder.Config)), masks: null);
        using var workspace = encoder.CreateWorkspace(40, 1);

        var expected = Bits(plain.Forward(unmasked, workspace));

        Assert.Equal(expected, Bits(encoder.Forward(batch, workspace)));
        // NaN under a zero bit is dropped, not multiplied.
        Assert.Equal(expected, Bits(hostile.Forward(batch, workspace)));
    }

    [Fact]
    public void Forward_OnceWarm_StaysWithinItsBudget()
    {
        using var backend = new CpuBackend(2);
        using var encoder = Golden.Folder.LoadEncoder(backend);
        using var masks = BertMasks.Load(backend, encoder.Config, new RandomMasks(encoder.Config, seed: 1));
        using var workspace = encoder.CreateWorkspace(120, 3);
        var batch = new BertBatch();
        var text = RandomText(new Random(1), encoder.Config);
        void Run()
        {
            batch.Clear();
            var sequence = batch.AddSequence(text);
            batch.AddBranch(sequence, masks);
            batch.AddBranch(sequence, masks: null);
            encoder.Forward(batch, workspace);
        }

        AllocationBudget.AssertWithin("encoder.forward.bytes", Allocations.OnceWarm(Run, runs: 20) / 20.0);
    }

    [Fact]
    public void Forward_BatchThatDoesNotFit_IsRefused()
    {
        using var backend = new CpuBackend(1);
        using var encoder = Golden.Folder.LoadEncoder(backend);
        using var workspace = encoder.CreateWorkspace(4, 1);
        var batch = new BertBatch();
        Assert.Throws<ShapeException>(() => encoder.Forward(batch, workspace));
        batch.AddBranch(batch.AddSequence(new([.. Enumerable.Repeat(default(Token), 5)], 0)), masks: null);
        var exception = Assert.Throws<ShapeException>(() => encoder.Forward(batch, workspace));
        Assert.Equal(
            "Forward: the batch has 1 branches and 5 tokens; 1 to 1 branches and up to 4 tokens are needed.",
            exception.Message);
    }

    private static IEnumerable<BertMasks> RandomTasks(TensorBackend backend, BertConfig config) =>
        Enumerable.Range(0, Tasks).Select(
            task => BertMasks.Load(backend, config, new RandomMasks(config, task, task % 4)));

    private static TokenSequence RandomText(Random random, BertConfig config)
    {
        var length = random.Next(1, config.MaxPositions + 1);
        return new(
            [
                .. Enumerable.Range(0, length)
                    .Select(
                        i => new Token(random.Next(config.Vocab), i > length / 2 ? 1 : 0, TokenSource.Text, default))
            ],
            DroppedTokens: 0);
    }

    private static uint[] Bits(Tensor tensor) => [.. tensor.ToArray().Select(BitConverter.SingleToUInt32Bits)];

    /// <summary>The golden weights with other values where the mask has a 0.</summary>
    private sealed class ZeroedWeights(RandomMasks masks, float dropped) : IParameterSource
    {
        public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
        {
            using var file = Models.Safetensors.SafetensorsFile.Open(Golden.At("bert/model.safetensors"));
            file.ReadFloats("bert." + name, (long)firstRow * columns, values);
            if (!masks.HasMask(name))
                return;
            var bits = masks.ReadMask(name);
            for (var i = 0; i < values.Length; i++)
            {
                var at = (firstRow * columns) + i;
                if (((bits[at / 8] >> (at % 8)) & 1) == 0)
                    values[i] = dropped;
            }
        }
    }
}
