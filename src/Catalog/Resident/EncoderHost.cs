using Serving.Inference.Classification;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Text.Bert;

namespace Serving.Catalog.Resident;

/// <summary>An encoder, which tasks run on.</summary>
public sealed class EncoderHost : ModelHost
{
    private readonly BertEncoder _encoder;

    private EncoderHost(
        string name, ModelDevice device, BertEncoder encoder, BertTokenizer tokenizer, ClassificationEngine engine)
        : base(name, device)
    {
        _encoder = encoder;
        Tokenizer = tokenizer;
        Engine = engine;
    }

    public BertConfig Config => _encoder.Config;

    public override ModelShape Shape => Config.Shape;

    public override BackboneDigest Backbone => _encoder.Backbone!;

    public BertTokenizer Tokenizer { get; }

    public ClassificationEngine Engine { get; }

    public override ModelMemory Memory
    {
        get
        {
            var memory = Engine.Memory;
            return new(memory.Backbone, memory.Workspace, Cache: 0, memory.Tasks);
        }
    }

    /// <summary>How much of the weights a task's masks keep, 0 to 1.</summary>
    public double Density(IReadOnlyDictionary<string, long> kept)
    {
        var masked = BertTensors.Maskable(Config).Where(tensor => kept.ContainsKey(tensor.Name)).ToList();
        var weights = masked.Sum(tensor => (double)tensor.Rows * tensor.Columns);
        return weights == 0 ? 1 : masked.Sum(tensor => kept[tensor.Name]) / weights;
    }

    internal static EncoderHost Load(
        string name, BertFolder files, ModelDevice device, ModelHostOptions options, TimeProvider time)
    {
        var tokenizer = files.LoadTokenizer();
        var encoder = files.LoadEncoder(device.Backend, options.WeightFormat);
        try
        {
            ModelWarmUp.Run(device.Backend, encoder, tokenizer, time);
            var engine = new ClassificationEngine(
                device.Lanes, encoder, tokenizer, options.ForEngine(name, encoder.Config.MaxPositions), time);
            return new(name, device, encoder, tokenizer, engine);
        }
        catch
        {
            encoder.Dispose();
            throw;
        }
    }

    protected override Task DrainAsync() => Engine.DrainAsync();

    protected override void Free()
    {
        Engine.Dispose();
        _encoder.Dispose();
    }
}
