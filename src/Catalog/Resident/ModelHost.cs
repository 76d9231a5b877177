using Serving.Inference.Scheduling;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Gpt2;
using Serving.Models.Kinds;

namespace Serving.Catalog.Resident;

/// <summary>A model in memory, with the engine that runs it.</summary>
public abstract class ModelHost : IDisposable
{
    private readonly LanePool _lanes;

    /// <param name="lanes">What it runs on, beside other hosts.</param>
    private protected ModelHost(string name, LanePool lanes)
    {
        Name = name;
        _lanes = lanes;
    }

    public string Name { get; }

    public abstract ModelShape Shape { get; }

    /// <summary>What it is known by: parameters, configuration and tokenizer.</summary>
    public abstract BackboneDigest Backbone { get; }

    /// <summary>SHA-256 of all of it.</summary>
    public string Digest => Backbone.Value;

    public string Device => _lanes.Backend.Description;

    /// <summary>What it holds on the device.</summary>
    public abstract ModelMemory Memory { get; }

    /// <summary>Reads a model's folder.</summary>
    /// <param name="lanes">What it runs on, beside other hosts.</param>
    /// <exception cref="ModelFileException">A file is missing or unsound; nothing stays behind.</exception>
    public static ModelHost Load(
        string name, string folder, LanePool lanes, ModelHostOptions options, TimeProvider time)
    {
        try
        {
            return ModelKinds.Open(folder) switch
            {
                BertFolder files => EncoderHost.Load(name, files, lanes, options, time),
                Gpt2Folder files => GeneratorHost.Load(name, files, lanes, options, time),
                var other => throw new ModelFileException(
                    $"{folder} is a {other.ReadShape().Kind}, which can be opened, but does not run here.")
            };
        }
        catch (Exception exception)
        {
            lanes.Backend.Trim();
            if (exception is ArgumentException) // The vocabulary or a limit does not fit the model.
                throw new ModelFileException($"{folder}: {exception.Message}", exception);
            throw;
        }
    }

    /// <summary>Answers what was admitted, then frees everything.</summary>
    /// <returns>The bytes that it took.</returns>
    public async Task<long> UnloadAsync()
    {
        await DrainAsync();
        var bytes = Memory.Total;
        Dispose();
        return bytes;
    }

    public void Dispose()
    {
        Free();
        _lanes.Backend.Trim();
    }

    /// <summary>Takes nothing new; completes when what was admitted is answered.</summary>
    protected abstract Task DrainAsync();

    /// <summary>Frees engine and parameters.</summary>
    protected abstract void Free();
}
