using Serving.Inference.Classification;
using Serving.Inference.Scheduling;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Kinds;
using Serving.Text.Bert;

namespace Serving.Catalog.Resident;

/// <summary>A model in memory, with the engine that runs it.</summary>
public sealed class ModelHost : IDisposable
{
    private readonly LanePool _lanes;
    private readonly BertEncoder _encoder;

    private ModelHost(
        string name, LanePool lanes, BertEncoder encoder, BertTokenizer tokenizer, ClassificationEngine engine)
    {
        Name = name;
        _lanes = lanes;
        _encoder = encoder;
        Tokenizer = tokenizer;
        Engine = engine;
    }

    public string Name { get; }

    public BertConfig Config => _encoder.Config;

    public ModelShape Shape => Config.Shape;

    /// <summary>What versions are made for: parameters, configuration and tokenizer.</summary>
    public BackboneDigest Backbone => _encoder.Backbone!;

    /// <summary>SHA-256 of all of it.</summary>
    public string Digest => Backbone.Value;

    public string Device => _lanes.Backend.Description;

    public BertTokenizer Tokenizer { get; }

    public ClassificationEngine Engine { get; }

    /// <summary>Reads a model's folder.</summary>
    /// <param name="lanes">What it runs on, beside other hosts.</param>
    /// <exception cref="ModelFileException">A file is missing or unsound; nothing stays behind.</exception>
    public static ModelHost Load(
        string name, string folder, LanePool lanes, ModelHostOptions options, TimeProvider time)
    {
        BertEncoder? encoder = null;
        try
        {
            var files = Open(folder);
            var tokenizer = files.LoadTokenizer();
            encoder = files.LoadEncoder(lanes.Backend, options.WeightFormat);
            ModelWarmUp.Run(lanes.Backend, encoder, tokenizer, time);
            var engine = new ClassificationEngine(
                lanes, encoder, tokenizer, options.ForEngine(name, encoder.Config.MaxPositions), time);
            return new(name, lanes, encoder, tokenizer, engine);
        }
        catch (Exception exception)
        {
            encoder?.Dispose();
            lanes.Backend.Trim();
            if (exception is ArgumentException) // The vocabulary or a limit does not fit the model.
                throw new ModelFileException($"{folder}: {exception.Message}", exception);
            throw;
        }
    }

    /// <summary>A folder of a kind that hosts run.</summary>
    private static BertFolder Open(string folder) => ModelKinds.Open(folder) switch
    {
        BertFolder bert => bert,
        var other => throw new ModelFileException(
            $"{folder} is a {other.ReadShape().Kind}, which can be opened, but does not run here.")
    };

    /// <summary>How much of the weights a task's masks keep, 0 to 1.</summary>
    public double Density(IReadOnlyDictionary<string, long> kept)
    {
        var masked = BertTensors.Maskable(Config).Where(tensor => kept.ContainsKey(tensor.Name)).ToList();
        var weights = masked.Sum(tensor => (double)tensor.Rows * tensor.Columns);
        return weights == 0 ? 1 : masked.Sum(tensor => kept[tensor.Name]) / weights;
    }

    /// <summary>Answers what was admitted, then frees everything.</summary>
    /// <returns>The bytes that it took.</returns>
    public async Task<long> UnloadAsync()
    {
        await Engine.DrainAsync();
        var bytes = Engine.Memory.Total;
        Dispose();
        return bytes;
    }

    public void Dispose()
    {
        Engine.Dispose();
        _encoder.Dispose();
        _lanes.Backend.Trim();
    }
}
