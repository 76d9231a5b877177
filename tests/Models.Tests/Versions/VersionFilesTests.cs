using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Models.Versions;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Models.Tests.Versions;

public sealed class TaskPackTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CpuBackend _backend = new(1);
    private readonly BertEncoder _encoder;
    private readonly Golden _golden = new();
    private readonly string _version;

    public TaskPackTests()
    {
        _encoder = Golden.Folder.LoadEncoder(_backend);
        _version = GoldenTask.Write(_folder.Path, _golden, _encoder);
    }

    public void Dispose()
    {
        _golden.Dispose();
        _encoder.Dispose();
        _backend.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Write_ThenOpen_GivesMasksHeadAndManifest()
    {
        using var pack = VersionFiles.Open(_version, expectedVersion: Path.GetFileName(_version));

        Assert.Equal(["negative", "neutral", "positive"], pack.Manifest.Labels);
        Assert.Equal(0.875, pack.Manifest.Metrics["accuracy"]);
        Assert.Equal("job-1", pack.Manifest.Lineage!.Job);
        Assert.Equal(_golden.MaskNames.Order(), pack.Masks.Select(mask => mask.Name).Order());
        foreach (var (name, rows, columns) in pack.Masks)
        {
            Assert.Equal(_golden.MaskShape(name), (rows, columns));
            Assert.Equal(_golden.ReadMask(name), pack.ReadMask(name));
            Assert.Equal(BitMask.PopCount(_golden.ReadMask(name)), pack.Manifest.Kept[name]);
        }

        Assert.Equal(_golden.Floats("head.bias"), pack.ReadHead(_encoder.Config.Hidden).Bias);
    }

    /// <summary>What the head sees is part of the version; one that does not say it is of a time before.</summary>
    [Fact]
    public void Pooling_IsOfTheVersion_AndTheBackboneMustHaveIt()
    {
        var writer = new VersionWriter();
        writer.SetHead(_golden.Floats("head.weight"), _golden.Floats("head.bias"));
        var manifest = GoldenTask.Manifest(_encoder);
        var mean = writer.Write(_folder.Path, manifest with { Pooling = Pooling.Mean });
        var pooler = writer.Write(_folder.Path, manifest);
        Assert.NotEqual(mean, pooler);
        using (var pack = VersionFiles.Open(_folder.At(mean)))
            Assert.Equal(Pooling.Mean, pack.Manifest.Pooling);

        var path = Path.Combine(_folder.At(pooler), VersionFiles.ManifestFile);
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"pooling\": \"pooler\",", ""));
        using var old = VersionFiles.Open(_folder.At(pooler));
        Assert.NotEqual(pooler, old.Version);
        Assert.Equal(Pooling.Pooler, old.Manifest.Pooling);

        var config = _encoder.Config with { HasPooler = false };
        using var file = WeightFiles.Open(Golden.At("bert/model.safetensors"));
        using var without = BertEncoder.Load(_backend, config, new CheckpointParameters(file));
        using var ofIt = VersionFiles.Open(_folder.At(
            writer.Write(_folder.Path, manifest with { Backbone = without.Digest })));
        Assert.Contains(
            "reads BERT's pooler, which its backbone was saved without",
            Assert.Throws<ModelFileException>(() => ofIt.ThrowUnlessFor(without)).Message);
    }

    [Fact]
    public void Write_TheSameAgain_IsTheSameVersion()
    {
        Assert.Equal(_version, GoldenTask.Write(_folder.Path, _golden, _encoder));
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder.Path)); // Nothing half-written stays.
    }

    /// <summary>Whoever has just written or read the files knows their digests; they are not read once more.</summary>
    [Fact]
    public void Open_WithDigests_TakesThoseForTheFiles()
    {
        Dictionary<string, string> digests;
        using (var pack = VersionFiles.Open(_version))
            digests = new(pack.Manifest.Files, StringComparer.Ordinal);
        var head = Path.Combine(_version, VersionFiles.HeadFile);
        var bytes = File.ReadAllBytes(head);
        bytes[^1] ^= 1;
        File.WriteAllBytes(head, bytes);
        Assert.Throws<ModelFileException>(() => VersionFiles.Open(_version));
        VersionFiles.Open(_version, expectedVersion: null, digests).Dispose();

        digests[VersionFiles.HeadFile] = new string('0', 64);
        Assert.Throws<ModelFileException>(() => VersionFiles.Open(_version, expectedVersion: null, digests));
    }

    [Fact]
    public void Open_AnyFlippedBit_IsRefused()
    {
        var random = new Random(1);
        foreach (var name in (string[])[VersionFiles.ManifestFile, VersionFiles.MaskFile, VersionFiles.HeadFile])
        {
            var path = Path.Combine(_version, name);
            var sound = File.ReadAllBytes(path);
            for (var i = 0; i < 40; i++)
            {
                var flipped = sound.ToArray();
                flipped[random.Next(flipped.Length)] ^= (byte)(1 << random.Next(8));
                File.WriteAllBytes(path, flipped);
                Assert.Throws<ModelFileException>(() => VersionFiles.Open(_version, Path.GetFileName(_version)));
            }

            File.WriteAllBytes(path, sound);
        }

        VersionFiles.Open(_version, Path.GetFileName(_version)).Dispose();
    }

    /// <summary>
    /// Few zeros are coded, and read as they were; random bits stay as they are, in the format of all releases.
    /// </summary>
    [Fact]
    public void Masks_ThatCanBeCoded_TakeLess_AndReadTheSame()
    {
        var (name, rows, columns) = BertTensors.Maskable(_encoder.Config).First();
        var sparse = BitMask.AllKept(rows, columns);
        for (var i = 0; i < sparse.Length; i += 3)
            sparse[i] = 0b1101_1111;
        var random = new byte[sparse.Length];
        new Random(1).NextBytes(random);
        using var coded = VersionFiles.Open(Write(sparse));
        using var plain = VersionFiles.Open(Write(random));
        Assert.Equal(sparse, coded.ReadMask(name));
        Assert.Equal(random, plain.ReadMask(name));
        Assert.Equal(
            (VersionManifest.SecondFormat, VersionManifest.CurrentFormat),
            (coded.Manifest.Format, plain.Manifest.Format));
        Assert.InRange(Bytes(coded), 1, Bytes(plain) - (sparse.Length / 3));
        using var task = LoadedVersion.Load(_backend, _encoder, coded);
        Assert.True(task.Masks.Bytes > 0);

        static long Bytes(VersionFiles version) =>
            new FileInfo(Path.Combine(version.Folder, VersionFiles.MaskFile)).Length;

        string Write(byte[] bits)
        {
            var writer = new VersionWriter();
            writer.AddMask(name, rows, columns, bits);
            writer.SetHead(_golden.Floats("head.weight"), _golden.Floats("head.bias"));
            return _folder.At(writer.Write(_folder.Path, GoldenTask.Manifest(_encoder)));
        }
    }

    [Fact]
    public void Masks_WithADamagedCode_OrOfTooManyWeights_AreRefused()
    {
        Refused("is no code of a mask [48, 48]. It ends within a gap. Import the task again.", "48x48 rice");
        Refused("its coded masks are of more than 2147483648 weights", "40000x40000 rice", "50000x40000 rice");

        void Refused(string message, params string[] shapes)
        {
            var writer = new SafetensorsWriter();
            foreach (var shape in shapes)
            {
                writer.Add(shape, SafetensorsTypes.UInt8, [5], new byte[] { 0, 1, 0, 0, 0 }); // One zero, and no gap.
                writer.Metadata.Add(shape, shape);
            }

            using (var file = File.Create(Path.Combine(_version, VersionFiles.MaskFile)))
                writer.Write(file);
            var manifest = VersionFiles.ReadManifest(_version, Path.GetFileName(_version));
            var error = Assert.Throws<ModelFileException>(
                () => VersionFiles.Open(_version, expectedVersion: null, manifest.Files));
            Assert.Contains(message, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Open_MissingFiles_AreNamed()
    {
        File.Delete(Path.Combine(_version, VersionFiles.HeadFile));
        Assert.Contains(
            "head.safetensors is missing.",
            Assert.Throws<ModelFileException>(() => VersionFiles.Open(_version)).Message);
        Assert.Contains(
            "A task version is a folder with task.json, mask.safetensors and head.safetensors",
            Assert.Throws<ModelFileException>(() => VersionFiles.Open(_folder.At("none"))).Message);
    }

    [Fact]
    public void Load_TaskOfAnotherBackbone_IsRefusedAndLeavesNothing()
    {
        using var other = BertEncoder.Load(_backend, _encoder.Config, new ConstantWeights());
        using var pack = VersionFiles.Open(_version);
        var before = _backend.AllocatedBytes;

        var exception = Assert.Throws<ModelFileException>(() => LoadedVersion.Load(_backend, other, pack));

        Assert.EndsWith(
            $"is for the backbone {_encoder.Digest}; {other.Digest} is loaded. "
            + "Load its backbone, or train the task on this one.",
            exception.Message);
        Assert.Equal(before, _backend.AllocatedBytes);
    }

    [Fact]
    public void Load_WrongNamesAndShapes_AreRefused()
    {
        Refused("is no weight that a task may mask", writer => writer.AddMask(
            "embeddings.word_embeddings.weight", 2, 4, new byte[1]));
        Refused(
            "the mask of 'pooler.dense.weight' is [2, 4]; the weight is [48, 48]",
            writer => writer.AddMask("pooler.dense.weight", 2, 4, new byte[1]));
        Refused("'classifier.weight' F32 [2, 48] does not fit; [3, 48] is needed for 3 labels", labels: 2);
        Refused("has values that are no finite numbers", head: float.NaN);

        void Refused(string message, Action<VersionWriter>? add = null, int labels = 3, float head = 0f)
        {
            var writer = new VersionWriter();
            add?.Invoke(writer);
            writer.SetHead([.. Enumerable.Repeat(head, labels * 48)], new float[labels]);
            var version = writer.Write(_folder.Path, GoldenTask.Manifest(_encoder));
            using var pack = VersionFiles.Open(_folder.At(version));
            var before = _backend.AllocatedBytes;
            var exception = Assert.Throws<ModelFileException>(() => LoadedVersion.Load(_backend, _encoder, pack));
            Assert.Contains(message, exception.Message, StringComparison.Ordinal);
            Assert.Equal(before, _backend.AllocatedBytes);
        }
    }

    [Fact]
    public void Load_AndDispose_GivesTheBytesBack()
    {
        using var pack = VersionFiles.Open(_version);
        var before = _backend.AllocatedBytes;
        var task = LoadedVersion.Load(_backend, _encoder, pack);
        Assert.Equal(before + task.Bytes, _backend.AllocatedBytes);
        task.Dispose();
        Assert.Equal(before, _backend.AllocatedBytes);
    }

    [Fact]
    public void AddMask_BitsThatDoNotFit_AreRefused()
    {
        var writer = new VersionWriter();
        Assert.Throws<ArgumentException>(() => writer.AddMask("a", 3, 3, new byte[1]));
        Assert.Throws<ArgumentException>(() => writer.AddMask("a", 3, 3, new byte[] { 0, 0b10 })); // A tenth bit.
    }

    private sealed class ConstantWeights : IParameterSource
    {
        public void Read(string name, int rows, int columns, int firstRow, Span<float> values) => values.Fill(0.5f);
    }
}
