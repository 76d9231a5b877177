using Serving.Models;
using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Models.Lstm;
using Serving.Models.Parameters;
using Serving.Models.Tokenizers;
using Serving.Storage;
using Serving.Tensors;
using Serving.Text.Bpe;
using Serving.Text.Trainers;
using Serving.Training.Gpt2;
using Serving.Training.LanguageModels;
using Serving.Training.Lstm;
using Serving.Training.Settings;
using Purpose = Serving.Training.RandomPurposes.LanguageModel;

namespace Serving.Training.Recipes;

/// <summary>Trains a decoder on text, from scratch with its own vocabulary, or from a model.</summary>
[Recipe("language_model", "train lm", "Learns to continue text, from scratch or from a model: a model that generates.")]
public sealed record LanguageModelRecipe : Recipe
{
    private const int MostHidden = 8192;
    private const string HiddenSetting = "hidden_size";
    private const int LeastVocabulary = 257; // The bytes, and the end of text.

    [Setting("The texts; each row is a document.", Kind = SettingKind.Dataset)]
    public required IReadOnlyList<string> Datasets { get; init; }

    [Setting(
        "The texts that are judged by.", Kind = SettingKind.Dataset, Otherwise = "documents held out of the datasets")]
    public IReadOnlyList<string> ValidationDatasets { get; init; } = [];

    [Setting(
        "Documents at the beginning that are not learned from, but judged by; not with validation datasets.", Min = 1,
        Unit = "documents")]
    public int HeldOutDocuments { get; init; } = 200;

    /// <summary>Gives the tokens and the shape, too.</summary>
    [Setting(
        "The model to go on from; its tokens and its shape stay.", Kind = SettingKind.Model,
        Otherwise = "none: from scratch")]
    public string? Model { get; init; }

    [Setting("What tokens are.")]
    public Tokenization Tokenization { get; init; }

    [Setting("The most tokens of the vocabulary.", Min = LeastVocabulary, Max = 1 << 20, Unit = "tokens")]
    public int VocabularySize { get; init; } = 8192;

    [Setting(
        "The width of the hidden states; of a GPT-2, a multiple of the heads.", Name = HiddenSetting, Min = 1,
        Max = MostHidden)]
    public int Hidden { get; init; } = 256;

    [Setting("Layers of the model.", Min = 1, Max = 128, Unit = "layers")]
    public int Layers { get; init; } = 4;

    [Setting("Attention heads of a layer of a GPT-2.", Min = 1, Max = MostHidden, Unit = "heads")]
    public int Heads { get; init; } = 4;

    [Setting(
        "Tokens of a training sequence; from scratch, also the most that the model can read.", Min = 2, Max = 8192,
        Unit = "tokens")]
    public int SequenceLength { get; init; } = 256;

    [Setting("What a model from scratch is made of.")]
    public Architecture Architecture { get; init; }

    [Setting(
        "The width of the token embeddings of an LSTM; another one needs a free output.", Min = 0, Max = MostHidden,
        Zero = "that of the hidden states")]
    public int EmbeddingSize { get; init; }

    [Setting(
        "Gives the output layer weights of its own; left out, they are those of the token embeddings.",
        Name = "free_output", On = false)]
    public bool TiesEmbeddings { get; init; } = true;

    [Setting("Stores weights in half the bytes.", Name = "store_bfloat16", On = WeightFormat.BFloat16)]
    public WeightFormat Format { get; init; }

    [SettingGroup]
    public required LanguageModelSettings Settings { get; init; }

    public override IReadOnlyList<string> Models => Model is null ? [] : [Model];

    public override IReadOnlyList<string> DatasetNames => [.. Datasets, .. ValidationDatasets];

    public override RecipeOutputs Outputs => RecipeOutputs.Model;

    /// <summary>Documents of the datasets that are not learned from.</summary>
    private int HeldOut => ValidationDatasets.Count == 0 ? HeldOutDocuments : 0;

    private int OwnEmbedding => EmbeddingSize == 0 ? Hidden : EmbeddingSize;

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        Settings.Validate();
        Settings.ValidateFor(SequenceLength);
        if (Model is null)
            ThrowUnlessShaped();
        else
            ThrowUnlessGoesOn(inputs);
        if (Datasets.Count == 0)
            throw new SettingException(nameof(Datasets), "There is no text; name at least one dataset.");
        if (!Documents(inputs).Skip(HeldOut).Any())
        {
            throw new SettingException(
                nameof(HeldOutDocuments),
                $"The datasets have no more than {HeldOut} documents, which are held out; give more text, or hold out "
                + "less.");
        }
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);

        // These files follow from the texts and the settings, so a job that resumes makes those that are missing.
        Directory.CreateDirectory(context.Checkpoints);
        var tokenizer = LoadTokenizer(context);
        var config = Config(context.Inputs, tokenizer);
        using var stream = OpenStream(
            context, "corpus", Documents(context.Inputs).Skip(HeldOut), tokenizer, config.EndToken!.Value);
        using var heldOut = OpenStream(
            context, "held-out", HeldOutTexts(context.Inputs), tokenizer, config.EndToken!.Value);
        var begin = Model is null
            ? GenerativeModel.Load(context.Backend, config, InitialParameters(config))
            : GenerativeModel.Load(context.Backend, GenerativeModel.Folder(context.Inputs, Model));
        using var trainer = new LanguageModelTrainer(
            context.Backend, begin, new(stream, SequenceLength), new(heldOut, SequenceLength), Settings,
            context.Time,
            new DocumentOrigins(
                CorpusRows.Read(context.Inputs, Datasets).Skip(HeldOut), _ => true, stream.Documents).Describe);
        var state = trainer.Run(context.Observer, new(context.Checkpoints), context.CancellationToken);
        var model = context.NewArtifact("model");
        GenerativeModel.Write(model, config, tokenizer, trainer.Model, Format);
        return new((state.Best ?? state.Last)!, TaskVersion: null, model);
    }

    private DecoderConfig Config(IRecipeInputs inputs, BpeTokenizer tokenizer)
    {
        if (Model is not null)
            return GenerativeModel.Folder(inputs, Model).LoadConfig();
        var end = tokenizer.Vocabulary.GetId(BpeTrainer.EndOfText);
        return Architecture == Architecture.Lstm
            ? new LstmConfig
            {
                Vocab = tokenizer.Vocabulary.Count,
                Embedding = OwnEmbedding,
                Hidden = Hidden,
                Layers = Layers,
                MaxPositions = SequenceLength,
                TiesEmbeddings = TiesEmbeddings,
                BeginToken = end,
                EndToken = end
            }
            : new Gpt2Config
            {
                Vocab = tokenizer.Vocabulary.Count,
                Hidden = Hidden,
                Layers = Layers,
                Heads = Heads,
                Inner = 4 * Hidden,
                MaxPositions = SequenceLength,
                TiesEmbeddings = TiesEmbeddings,
                BeginToken = end,
                EndToken = end
            };
    }

    private IParameterSource InitialParameters(DecoderConfig config)
    {
        var seed = CounterRandom.Key(Settings.Seed, Purpose.Weights);
        return config is Gpt2Config gpt2 ? new Gpt2InitialParameters(seed, gpt2) : new UniformParameters(seed);
    }

    /// <summary>The model's tokenizer; from scratch, one that is made of the texts that are learned from.</summary>
    private BpeTokenizer LoadTokenizer(RecipeContext context)
    {
        if (Model is not null)
            return GenerativeModel.Folder(context.Inputs, Model).LoadTokenizer();
        var path = Path.Combine(context.Checkpoints, ModelFiles.Tokenizer);
        if (!File.Exists(path))
        {
            var tokenizer = Tokenization.Train(
                Documents(context.Inputs).Skip(HeldOut), new() { VocabularySize = VocabularySize });
            DiskFileSystem.Instance.Replace(path, file => BpeFiles.Write(tokenizer, file));
        }

        return BpeFiles.Load(context.Checkpoints);
    }

    private static TokenStream OpenStream(
        RecipeContext context, string name, IEnumerable<string> documents, BpeTokenizer tokenizer, int endToken)
    {
        var path = Path.Combine(context.Checkpoints, name + ".tokens");
        if (!File.Exists(path))
            TokenStream.Write(path, documents, tokenizer, endToken);
        return TokenStream.Open(path);
    }

    private void ThrowUnlessShaped()
    {
        var isLstm = Architecture == Architecture.Lstm;
        if (isLstm)
        {
            SettingException.ThrowUnless(
                !TiesEmbeddings || OwnEmbedding == Hidden, nameof(EmbeddingSize), EmbeddingSize,
                $"{Hidden}, as the hidden states have, or a free output");
        }
        else
        {
            SettingException.ThrowUnless(
                EmbeddingSize == 0, nameof(EmbeddingSize), EmbeddingSize, "0: a GPT-2's embeddings are hidden states");
            SettingException.ThrowUnless(
                Hidden % Heads == 0, HiddenSetting, Hidden, $"a multiple of the {Heads} heads, at most {MostHidden}");
        }

        // Of an LSTM 4 gates over input and state; of a GPT-2 attention and feed-forward layer.
        var ofLayers = (isLstm ? 8.0 : 12.0) * Layers * Hidden * Math.Max(Hidden, OwnEmbedding);
        var ofTokens = (TiesEmbeddings ? 1.0 : 2.0) * VocabularySize * Math.Max(Hidden, OwnEmbedding);
        TrainingMemory.ThrowUnlessFits(
            ofTokens + ofLayers + (isLstm ? 0 : (double)SequenceLength * Hidden), HiddenSetting);
    }

    private void ThrowUnlessGoesOn(IRecipeInputs inputs)
    {
        var config = GenerativeModel.Require(inputs, Model!, nameof(Model));
        SettingException.ThrowUnless(
            SequenceLength <= config.MaxPositions, nameof(SequenceLength), SequenceLength,
            $"2 to {config.MaxPositions}, what '{Model}' can read");
    }

    private IEnumerable<string> HeldOutTexts(IRecipeInputs inputs) => ValidationDatasets.Count == 0
        ? Documents(inputs).Take(HeldOut)
        : CorpusRows.Read(inputs, ValidationDatasets).Select(row => row.Text);

    private IEnumerable<string> Documents(IRecipeInputs inputs) =>
        CorpusRows.Read(inputs, Datasets).Select(row => row.Text);
}
