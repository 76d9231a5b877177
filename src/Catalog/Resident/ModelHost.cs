using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Decoders;
using Serving.Models.Kinds;
using Serving.Tensors;

namespace Serving.Catalog.Resident;

/// <summary>A model in memory, with the engine that runs it.</summary>
public abstract class ModelHost : IDisposable
{
    private readonly ModelDevice _device;

    /// <param name="device">What it runs on, beside other hosts.</param>
    private protected ModelHost(string name, ModelDevice device)
    {
        Name = name;
        _device = device;
    }

    public string Name { get; }

    public abstract ModelShape Shape { get; }

    /// <summary>What it is known by: parameters, configuration and tokenizer.</summary>
    public abstract BackboneDigest Backbone { get; }

    /// <summary>SHA-256 of all of it.</summary>
    public string Digest => Backbone.Value;

    public string Device => _device.Backend.Description;

    /// <summary>What it holds on the device.</summary>
    public abstract ModelMemory Memory { get; }

    /// <summary>Reads a model's folder.</summary>
    /// <param name="device">What it runs on, beside other hosts.</param>
    /// <exception cref="ModelFileException">A file is missing or unsound; nothing stays behind.</exception>
    /// <exception cref="DeviceMemoryException">The device has not enough memory; nothing stays behind.</exception>
    public static ModelHost Load(
        string name, string folder, ModelDevice device, ModelHostOptions options, TimeProvider time)
    {
        try
        {
            var model = ModelKinds.Open(folder);
            using var promised = device.Memory.Reserve(
                $"The model '{name}'", ModelNeed.OfServing(model.ReadShape(), options, device.Lanes.Count));
            return model switch
            {
                BertFolder files => EncoderHost.Load(name, files, device, options, time),
                DecoderFolder files => GeneratorHost.Load(name, files, device, options, time),
                var other => throw new ModelFileException(
                    $"{folder} is a {other.ReadShape().Kind}, which can be opened, but does not run here.")
            };
        }
        catch (Exception exception)
        {
            device.Backend.Trim();
            if (device.Backend.Explain(exception) is var meaning && meaning != exception)
                throw meaning;
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
        _device.Backend.Trim();
        _device.Memory.NoteFreed();
    }

    /// <summary>Takes nothing new; completes when what was admitted is answered.</summary>
    protected abstract Task DrainAsync();

    /// <summary>Frees engine and parameters.</summary>
    protected abstract void Free();
}
