using System.Runtime.InteropServices;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Text.Bert;

namespace Serving.Models.Tests.Bert;

/// <summary>Heads and feed-forward layers that tasks leave out.</summary>
public sealed class PrunedPartsTests : IDisposable
{
    private readonly CpuBackend _backend = new(2);
    private readonly BertEncoder _encoder;

    public PrunedPartsTests() => _encoder = Golden.Folder.LoadEncoder(_backend);

    public static TheoryData<string, string> Parts => new()
    {
        // Heads by layer, then feed-forward layers; the golden model has 3 layers of 4 heads.
        { "||", "" },
        { "1||", "" },
        { "0,1|3|0,2", "" },
        { "|0,1,2,3|", "" },
        { "0,1,2,3|0,1,2,3|0,1,2,3", "" },
        { "||", "0" },
        { "||", "2" },
        { "2||1,3", "1" },
        { "0,1,2,3|0,1,2,3|0,1,2,3", "0,1,2" }
    };

    /// <summary>
    /// A part that is left out is one whose output weights are 0, and for a feed-forward layer the bias, too: to the
    /// bit, in any company.
    /// </summary>
    [Theory]
    [MemberData(nameof(Parts))]
    public void Forward_WithoutParts_IsThatOfTheModelWithoutThem(string heads, string feedForward)
    {
        var pruned = new PrunedParts([.. heads.Split('|').Select(Numbers)], Numbers(feedForward));
        Assert.Null(pruned.Problem(_encoder.Config));
        using var files = Golden.Folder.OpenWeights();
        using var smaller = BertEncoder.Load(
            _backend, _encoder.Config, new PrunedParameters(new CheckpointParameters(files), _encoder.Config, pruned));
        var source = new RandomMasks(_encoder.Config, seed: 1);
        using var masks = BertMasks.Load(_backend, _encoder.Config, source);
        using var parts = BertMasks.Load(_backend, _encoder.Config, source: null, pruned);
        using var both = BertMasks.Load(_backend, _encoder.Config, source, pruned);
        var random = new Random(2);
        TokenSequence[] texts = [.. Enumerable.Range(0, 3).Select(_ => Text(random))];

        var batch = new BertBatch();
        foreach (var text in texts)
            batch.AddSequence(text);
        (int Text, BertMasks? Task)[] branches =
            [(0, null), (1, parts), (0, parts), (2, masks), (2, both), (1, both), (1, null)];
        foreach (var (text, task) in branches)
            batch.AddBranch(text, task);
        var found = Forward(_encoder, batch);

        var hidden = _encoder.Config.Hidden;
        for (var i = 0; i < branches.Length; i++)
        {
            var (text, task) = branches[i];
            var isPruned = task == parts || task == both;
            var alone = new BertBatch();
            alone.AddBranch(alone.AddSequence(texts[text]), task == both || task == masks ? masks : null);
            Assert.Equal(Forward(isPruned ? smaller : _encoder, alone), found[(i * hidden)..((i + 1) * hidden)]);
        }

        // What is left out is not computed: rows of the intermediate layers.
        var rows = 0;
        var pass = new BertBatch();
        pass.AddBranch(pass.AddSequence(texts[0]), parts);
        using var workspace = _encoder.CreateWorkspace(40, 1);
        _encoder.Forward(pass, workspace, (name, output) =>
            rows += name.EndsWith("intermediate", StringComparison.Ordinal) ? output.Rows : 0);
        Assert.Equal(
            Enumerable.Range(0, 3).Except(pruned.FeedForward).Sum(layer => layer == 2 ? 1 : texts[0].Tokens.Count),
            rows);
    }

    /// <summary>Of 4 heads of 12 columns, in slices that begin at multiples of 32: by hand.</summary>
    [Fact]
    public void Ranges_HoldTheHeadsThatStay()
    {
        Assert.Equal([new(0, 24), new(36, 12)], ColumnRange.OfHeads([0, 1, 3], headDim: 12));
        Assert.Empty(ColumnRange.OfHeads([], headDim: 12));

        // 12 to 24 and 36 to 48 become 0 to 24 and 32 to 48; 24 to 36 and 36 to 48 are 24 to 48, which begin at 0.
        Assert.Equal([new(0, 24), new(32, 16)], ColumnRange.From(ColumnRange.OfHeads([1, 3], 12), multiple: 32));
        Assert.Equal([new(0, 48)], ColumnRange.From(ColumnRange.OfHeads([2, 3], 12), multiple: 32));
        Assert.Equal([new(64, 64), new(192, 64)], ColumnRange.From(ColumnRange.OfHeads([1, 3], 64), multiple: 32));
    }

    [Fact]
    public void Version_SaysWhatIsLeftOut_AndMustFitItsBackbone()
    {
        using var folder = new TemporaryFolder();
        using var version = VersionFiles.Open(Write(new([[0], [], [1, 2]], [1])));
        Assert.Equal(VersionManifest.SecondFormat, version.Manifest.Format);
        Assert.Equal(3, version.Manifest.Pruned!.HeadCount());
        using (var task = LoadedVersion.Load(_backend, _encoder, version))
            Assert.Equal((0, 0L), (task.Masks.FirstMaskedLayer, task.Masks.Bytes));

        Refused("they are of 2 layers, the backbone has 3", new([[], []], []));
        Refused("of layer 1 they name the heads 4; the backbone has 4, from 0", new([[], [4], []], []));
        Refused("of layer 0 they name the heads 1, 0", new([[1, 0], [], []], []));
        Refused("they name the feed-forward layers 1, 1", new([[], [], []], [1, 1]));

        void Refused(string message, PrunedParts pruned)
        {
            using var bad = VersionFiles.Open(Write(pruned));
            Assert.Contains(
                message, Assert.Throws<ModelFileException>(() => LoadedVersion.Load(_backend, _encoder, bad)).Message,
                StringComparison.Ordinal);
        }

        string Write(PrunedParts pruned)
        {
            var writer = new VersionWriter();
            writer.SetHead(new float[3 * _encoder.Config.Hidden], new float[3]);
            return folder.At(writer.Write(folder.Path, GoldenTask.Manifest(_encoder) with { Pruned = pruned }));
        }
    }

    public void Dispose()
    {
        _encoder.Dispose();
        _backend.Dispose();
    }

    private int[] Forward(BertEncoder encoder, BertBatch batch)
    {
        using var workspace = encoder.CreateWorkspace(400, 10);
        return [.. MemoryMarshal.Cast<float, int>(encoder.Forward(batch, workspace).ToArray())];
    }

    private TokenSequence Text(Random random) => new(
        [.. Enumerable.Range(0, random.Next(3, 30)).Select(position => new Token(
            random.Next(_encoder.Config.Vocab), position / 9 % 2, TokenSource.Text, default))],
        DroppedTokens: 0);

    private static IReadOnlyList<int> Numbers(string list) =>
        [.. list.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
}
