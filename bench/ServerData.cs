using System.Text.Json;
using Serving.Backends;
using Serving.Client;
using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Models.Versions;

namespace Serving.Bench;

/// <summary>A data root with a random model of a shape, and random task versions to import.</summary>
internal sealed class ServerData : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("serving-bench-").FullName;
    private readonly List<string> _versions = [];

    public ServerData(string shape, int tasks)
    {
        var config = Shapes.Bert(shape);
        using var backend = BackendFactory.Create(BackendFactory.Default, new() { Threads = 1 });
        var recorder = new RecordingWeights(new RandomBertWeights());
        using var encoder = BertEncoder.Load(backend, config, recorder);
        WriteModel(System.IO.Path.Combine(Path, "models", shape), config, recorder);
        for (var task = 0; task < tasks; task++)
            _versions.Add(WriteTask(System.IO.Path.Combine(_folder, "versions"), encoder, firstLayer: 0, seed: task));
    }

    /// <summary>For the server's --data.</summary>
    public string Path => System.IO.Path.Combine(_folder, "data");

    public static string TaskName(int task) => $"task-{task}";

    /// <summary>Writes a version with random masks of the layers from `firstLayer` on.</summary>
    /// <returns>Its folder, named after it.</returns>
    public static string WriteTask(string parent, BertEncoder encoder, int firstLayer, int seed)
    {
        var masks = new RandomMasks(1 + (1000 * seed), firstLayer);
        masks.Prepare(encoder.Config);
        var writer = new VersionWriter();
        var maskable = BertTensors.Maskable(encoder.Config).Where(tensor => masks.HasMask(tensor.Name));
        foreach (var (name, rows, columns) in maskable)
            writer.AddMask(name, rows, columns, masks.ReadMask(name).ToArray());
        writer.SetHead(RandomTensors.NormalValues(2 * encoder.Config.Hidden, seed: 2 + seed), [0f, 0f]);
        var version = writer.Write(parent, new()
        {
            Format = VersionManifest.CurrentFormat,
            Labels = ["negative", "positive"],
            Inputs = TextInputs.Text,
            Backbone = encoder.Digest,
            Kept = new Dictionary<string, long>(),
            Files = new Dictionary<string, string>()
        });
        return System.IO.Path.Combine(parent, version);
    }

    /// <summary>Imports every task and makes it the one that is served.</summary>
    public async Task ImportAsync(ServingClient client)
    {
        for (var task = 0; task < _versions.Count; task++)
            await client.ImportTaskAsync(TaskName(task), _versions[task], alias: "production");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static void WriteModel(string folder, BertConfig config, RecordingWeights weights)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(
            System.IO.Path.Combine(folder, "config.json"), JsonSerializer.Serialize(new Dictionary<string, object>
            {
                ["model_type"] = "bert",
                ["hidden_act"] = "gelu",
                ["vocab_size"] = config.Vocab,
                ["hidden_size"] = config.Hidden,
                ["num_hidden_layers"] = config.Layers,
                ["num_attention_heads"] = config.Heads,
                ["intermediate_size"] = config.Inner,
                ["max_position_embeddings"] = config.MaxPositions,
                ["type_vocab_size"] = config.Types
            }));
        File.WriteAllLines(
            System.IO.Path.Combine(folder, "vocab.txt"), ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]);
        using var file = File.Create(System.IO.Path.Combine(folder, "model.safetensors"));
        weights.Write(file);
    }

    /// <summary>Keeps what an encoder reads, so that it can be written as a model.</summary>
    private sealed class RecordingWeights(IParameterSource inner) : IParameterSource
    {
        private readonly Dictionary<string, (int Rows, int Columns, float[] Values)> _read = new(
            StringComparer.Ordinal);

        public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
        {
            inner.Read(name, rows, columns, firstRow, values);
            if (!_read.TryGetValue(name, out var entry))
                _read.Add(name, entry = (rows, columns, new float[rows * columns]));
            values.CopyTo(entry.Values.AsSpan(firstRow * columns));
        }

        public void Write(Stream output)
        {
            var writer = new SafetensorsWriter();
            foreach (var (name, (rows, columns, values)) in _read)
            {
                var isVector = rows == 1 && !name.EndsWith("embeddings.weight", StringComparison.Ordinal);
                writer.Add(name, isVector ? [columns] : [rows, columns], values);
            }

            writer.Write(output);
        }
    }
}
