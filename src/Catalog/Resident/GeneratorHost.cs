using Serving.Decoding;
using Serving.Inference.Generation;
using Serving.Models;
using Serving.Models.Decoders;

namespace Serving.Catalog.Resident;

/// <summary>A decoder, which writes text.</summary>
public sealed class GeneratorHost : ModelHost
{
    private readonly Decoder _decoder;

    private GeneratorHost(
        string name, ModelDevice device, Decoder decoder, BackboneDigest backbone, SamplingOptions defaults,
        GenerationEngine engine)
        : base(name, device)
    {
        _decoder = decoder;
        Backbone = backbone;
        Defaults = defaults;
        Engine = engine;
    }

    public override ModelShape Shape => _decoder.Config.Shape;

    public override BackboneDigest Backbone { get; }

    /// <summary>What holds where a request says nothing.</summary>
    public SamplingOptions Defaults { get; }

    public GenerationEngine Engine { get; }

    public override ModelMemory Memory
    {
        get
        {
            var memory = Engine.Memory;
            return new(memory.Parameters, memory.Workspace, memory.Cache, Tasks: []);
        }
    }

    internal static GeneratorHost Load(
        string name, DecoderFolder files, ModelDevice device, ModelHostOptions options, TimeProvider time)
    {
        var tokenizer = files.LoadTokenizer();
        var defaults = ReadDefaults(files);
        var decoder = files.LoadDecoder(device.Backend, options.GeneratorWeightFormat);
        try
        {
            GeneratorWarmUp.Run(decoder, time);
            var engine = new GenerationEngine(
                device.Lanes, decoder, tokenizer, options.ForGenerator(name, decoder), time);
            return new(name, device, decoder, files.DigestOf(decoder, tokenizer), defaults, engine);
        }
        catch
        {
            decoder.Dispose();
            throw;
        }
    }

    /// <exception cref="ModelFileException">A value is out of range.</exception>
    private static SamplingOptions ReadDefaults(DecoderFolder files)
    {
        var own = files.LoadDefaults();
        var ours = new SamplingOptions();
        var options = new SamplingOptions
        {
            MaxTokens = own.MaxNewTokens ?? ours.MaxTokens,
            MinTokens = own.MinNewTokens ?? ours.MinTokens,
            Temperature = own.Samples == false ? 0 : own.Temperature ?? ours.Temperature,
            TopK = own.TopK ?? ours.TopK,
            TopP = own.TopP ?? ours.TopP,
            MinP = own.MinP ?? ours.MinP,
            TypicalP = own.TypicalP ?? ours.TypicalP,
            EpsilonCutoff = own.EpsilonCutoff ?? ours.EpsilonCutoff,
            EtaCutoff = own.EtaCutoff ?? ours.EtaCutoff,
            RepetitionPenalty = own.RepetitionPenalty ?? ours.RepetitionPenalty,
            NoRepeatNgramSize = own.NoRepeatNgramSize ?? ours.NoRepeatNgramSize,
            BadWords = own.BadWords,
            StopTokens = own.EndTokens
        };
        try
        {
            options.ThrowUnlessValid(files.LoadConfig().Vocab);
            return options;
        }
        catch (SamplingOptionsException exception)
        {
            throw new ModelFileException(
                $"{Path.Combine(files.Path, ModelFiles.GenerationConfig)}: {exception.Message}", exception);
        }
    }

    protected override Task DrainAsync() => Engine.DrainAsync();

    protected override void Free()
    {
        Engine.Dispose();
        _decoder.Dispose();
    }
}
