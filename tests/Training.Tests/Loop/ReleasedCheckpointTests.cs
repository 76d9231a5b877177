using System.Text.Json;
using Serving.Models.Safetensors;
using Serving.Testing;
using Serving.Training.Checkpoints;
using Serving.Training.Classification;
using Serving.Training.Pretraining;
using Serving.Training.Tests.Pretraining;

namespace Serving.Training.Tests.Loop;

/// <summary>Checkpoints that the released version wrote are resumed, see checkpoints/README.md.</summary>
public sealed class ReleasedCheckpointTests : IDisposable
{
    /// <summary>Of a step's loss, relative, between processors with vectors of other widths.</summary>
    private const double Tolerance = 1e-4;

    private readonly TemporaryFolder _folder = new();
    private readonly TextCorpus _corpus = Released.Corpus(0, 30);
    private readonly TextCorpus _heldOut = Released.Corpus(30, 6);

    [Theory]
    [MemberData(nameof(Released.Names), MemberType = typeof(Released))]
    public void Run_FromReleasedCheckpoint_GoesOnAsTheReleaseDid(string name)
    {
        var path = _folder.At(name);
        Copy(Released.CheckpointOf(name), path);

        var losses = Run(name, path);

        var expected = Released.LossesOf(name)[Released.Step..];
        Assert.Equal(expected.Length, losses.Count);
        Assert.All(expected.Zip(losses), pair => Assert.Equal(1, pair.Second / pair.First, Tolerance));
    }

    [Theory]
    [MemberData(nameof(Released.Names), MemberType = typeof(Released))]
    public void Save_WritesWhatTheReleaseWrote(string name)
    {
        var path = _folder.At(name);

        Run(name, path, stopAt: Released.Step + 1);

        var (expected, written) = (Released.CheckpointOf(name), path);
        Assert.Equal(Files(expected), Files(written));
        Assert.Equal(Tensors(expected), Tensors(written));
        Assert.Equal(Shape(State(expected)), Shape(State(written)));
    }

    public void Dispose()
    {
        _heldOut.Dispose();
        _corpus.Dispose();
        _folder.Dispose();
    }

    /// <returns>The losses of the steps that were run.</returns>
    private List<double> Run(string name, string checkpoints, long stopAt = long.MaxValue)
    {
        using var backend = Small.Backend();
        if (name == Released.Pretraining)
        {
            using var pretraining = Released.CreatePretraining(backend, _corpus, _heldOut);
            return Released.Losses<PretrainingState>(pretraining.Run, new(checkpoints), stopAt);
        }

        using var classifier = Released.CreateClassifier(backend, name);
        return Released.Losses<ClassifierState>(classifier.Run, new(checkpoints), stopAt);
    }

    private static void Copy(string from, string to)
    {
        foreach (var file in Files(from))
        {
            var target = Path.Combine(to, file);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(Path.Combine(from, file), target);
        }
    }

    private static IEnumerable<string> Files(string folder) =>
        Directory.GetFiles(folder, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(folder, file)).Order(StringComparer.Ordinal);

    private static List<string> Tensors(string folder)
    {
        var path = Path.Combine(folder, $"checkpoint-{Released.Step}", "tensors.safetensors");
        using var file = SafetensorsFile.Open(path);
        return [.. file.Entries.Values.Select(entry => entry.ToString()).Order(StringComparer.Ordinal)];
    }

    private static JsonElement State(string folder) => JsonSerializer.Deserialize<JsonElement>(
        File.ReadAllText(Path.Combine(folder, $"checkpoint-{Released.Step}", "state.json")));

    /// <summary>The names and kinds of values; numbers may differ in the last digits.</summary>
    private static string Shape(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => string.Join(
            ", ", value.EnumerateObject().Select(property => $"{property.Name}: {{{Shape(property.Value)}}}")),
        JsonValueKind.Array => $"[{value.EnumerateArray().Select(Shape).FirstOrDefault()}]",
        var kind => kind.ToString()
    };
}
