using Serving.Models.Bert;
using Serving.Tensors;

namespace Serving.Models.Versions;

/// <summary>A task version in a device's memory: its masks and its head.</summary>
public sealed class LoadedVersion : IDisposable
{
    private readonly Tensor _weight;
    private readonly Tensor _bias;

    private LoadedVersion(string version, VersionManifest manifest, BertMasks masks, Tensor weight, Tensor bias)
    {
        Version = version;
        Labels = manifest.Labels;
        Inputs = manifest.Inputs;
        Pooling = manifest.Pooling;
        Masks = masks;
        _weight = weight;
        _bias = bias;
    }

    public string Version { get; }

    public IReadOnlyList<string> Labels { get; }

    public TextInputs Inputs { get; }

    /// <summary>What the head sees.</summary>
    public Pooling Pooling { get; }

    public BertMasks Masks { get; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes => Masks.Bytes + _weight.Storage.Bytes + _bias.Storage.Bytes;

    /// <summary>Copies a version onto the device, after checking that it is for this encoder.</summary>
    /// <exception cref="ModelFileException">It is not; nothing stays behind.</exception>
    public static LoadedVersion Load(TensorBackend backend, BertEncoder encoder, VersionFiles pack)
    {
        pack.ThrowUnlessFor(encoder);
        var (weight, bias) = pack.ReadHead(encoder.Config.Hidden);
        var owned = new Stack<IDisposable>();
        try
        {
            // What a ticket drops is 0 in its model already.
            var masks = BertMasks.Load(
                backend, encoder.Config, pack.Manifest.Ticket is null ? pack : null, pack.Manifest.Pruned);
            owned.Push(masks);
            var weightTensor = backend.Allocate(bias.Length, encoder.Config.Hidden);
            owned.Push(weightTensor);
            var biasTensor = backend.Allocate(1, bias.Length);
            owned.Push(biasTensor);
            weightTensor.CopyFrom(weight);
            biasTensor.CopyFrom(bias);
            return new(pack.Version, pack.Manifest, masks, weightTensor, biasTensor);
        }
        catch
        {
            foreach (var part in owned)
                part.Dispose();
            throw;
        }
    }

    /// <summary>The head: logits of pooled vectors.</summary>
    /// <param name="pooled">[rows, hidden]</param>
    /// <param name="logits">[rows, labels]</param>
    public void Score(TensorBackend backend, Tensor pooled, Tensor logits) =>
        backend.Project(pooled, _weight, _bias, logits);

    public void Dispose()
    {
        Masks.Dispose();
        _weight.Dispose();
        _bias.Dispose();
    }
}
