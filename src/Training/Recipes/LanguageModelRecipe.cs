using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Gpt2;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Models.Tokenizers;
using Serving.Storage;
using Serving.Tensors;
using Serving.Text.Bpe;
using Serving.Text.Trainers;
using Serving.Training.Gpt2;
using Serving.Training.LanguageModels;
using Serving.Training.Settings;
using Purpose = Serving.Training.RandomPurposes.LanguageModel;

namespace Serving.Training.Recipes;

/// <summary>Trains a GPT-2 on text, from scratch with its own vocabulary, or from a model.</summary>
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
        "The model to go on from, a GPT-2; its tokens and its shape stay.", Kind = SettingKind.Model,
        Otherwise = "none: from scratch")]
    public string? Model { get; init; }

    [Setting("What tokens are.")]
    public Tokenization Tokenization { get; init; }

    [Setting("The most tokens of the vocabulary.", Min = LeastVocabulary, Max = 1 << 20, Unit = "tokens")]
    public int VocabularySize { get; init; } = 8192;

    [Setting(
        "The width of the hidden states; a multiple of the heads.", Name = HiddenSetting, Min = 1, Max = MostHidden)]
    public int Hidden { get; init; } = 256;

    [Setting("Layers of the model.", Min = 1, Max = 128, Unit = "layers")]
    public int Layers { get; init; } = 4;

    [Setting("Attention heads of a layer.", Min = 1, Max = MostHidden, Unit = "heads")]
    public int Heads { get; init; } = 4;

    [Setting(
        "Tokens of a training sequence; from scratch, also the most that the model can read.", Min = 2, Max = 8192,
        Unit = "tokens")]
    public int SequenceLength { get; init; } = 256;

    [Setting("Stores weights in half the bytes.", Name = "store_bfloat16", On = WeightFormat.BFloat16)]
    public WeightFormat Format { get; init; }

    [SettingGroup]
    public required LanguageModelSettings Settings { get; init; }

    public override IReadOnlyList<string> Models => Model is null ? [] : [Model];

    public override IReadOnlyList<string> DatasetNames => [.. Datasets, .. ValidationDatasets];

    public override RecipeOutputs Outputs => RecipeOutputs.Model;

    /// <summary>Documents of the datasets that are not learned from.</summary>
    private int HeldOut => ValidationDatasets.Count == 0 ? HeldOutDocuments : 0;

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
        IParameterSource weights =
            new Gpt2InitialParameters(CounterRandom.Key(Settings.Seed, Purpose.Weights), config);
        using var file = Model is null ? null : OpenWeights(context.Inputs.ModelFolder(Model), out weights);
        using var trainer = new LanguageModelTrainer(
            context.Backend, config, weights, new(stream, SequenceLength), new(heldOut, SequenceLength), Settings,
            context.Time,
            new DocumentOrigins(
                CorpusRows.Read(context.Inputs, Datasets).Skip(HeldOut), _ => true, stream.Documents).Describe);
        var state = trainer.Run(context.Observer, new(context.Checkpoints), context.CancellationToken);
        var model = context.NewArtifact("model");
        Gpt2FolderWriter.Write(model, config, tokenizer, trainer.Model, Format);
        return new((state.Best ?? state.Last)!, TaskVersion: null, model);
    }

    private Gpt2Config Config(IRecipeInputs inputs, BpeTokenizer tokenizer) => Model is null
        ? new()
        {
            Vocab = tokenizer.Vocabulary.Count,
            Hidden = Hidden,
            Layers = Layers,
            Heads = Heads,
            Inner = 4 * Hidden,
            MaxPositions = SequenceLength,
            BeginToken = tokenizer.Vocabulary.GetId(BpeTrainer.EndOfText),
            EndToken = tokenizer.Vocabulary.GetId(BpeTrainer.EndOfText)
        }
        : new Gpt2Folder(inputs.ModelFolder(Model)).LoadConfig();

    /// <summary>The model's tokenizer; from scratch, one that is made of the texts that are learned from.</summary>
    private BpeTokenizer LoadTokenizer(RecipeContext context)
    {
        if (Model is not null)
            return new Gpt2Folder(context.Inputs.ModelFolder(Model)).LoadTokenizer();
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

    private static WeightFiles OpenWeights(string folder, out IParameterSource weights)
    {
        var files = new Gpt2Folder(folder).OpenWeights(out _, out var parameters);
        weights = parameters;
        return files;
    }

    private void ThrowUnlessShaped()
    {
        SettingException.ThrowUnless(
            Hidden % Heads == 0, HiddenSetting, Hidden, $"a multiple of the {Heads} heads, at most {MostHidden}");
        var ofLayer = 12.0 * Hidden * Hidden;
        TrainingMemory.ThrowUnlessFits(
            ((VocabularySize + SequenceLength) * (double)Hidden) + (Layers * ofLayer), HiddenSetting);
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
