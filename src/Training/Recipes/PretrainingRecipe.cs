using Serving.Models;
using Serving.Models.Bert;
using Serving.Storage;
using Serving.Tensors;
using Serving.Text;
using Serving.Text.Bert;
using Serving.Text.Trainers;
using Serving.Training.Bert;
using Serving.Training.Pretraining;
using Serving.Training.Settings;
using Purpose = Serving.Training.RandomPurposes.Pretraining;

namespace Serving.Training.Recipes;

/// <summary>Pretrains a backbone from scratch: vocabulary, corpus, masked language modelling, objectives.</summary>
[Recipe("pretraining", "train pretrain", "Learns a backbone from text: a model.")]
public sealed record PretrainingRecipe : Recipe
{
    private const int MostHidden = 8192;
    private const string HiddenSetting = "hidden_size";

    [Setting("The corpora; each row is a document.", Kind = SettingKind.Dataset)]
    public required IReadOnlyList<string> Datasets { get; init; }

    [Setting(
        "The width of the hidden states; a multiple of the heads.", Name = HiddenSetting, Min = 1, Max = MostHidden)]
    public int Hidden { get; init; } = 256;

    [Setting("Layers of the model.", Min = 1, Max = 128, Unit = "layers")]
    public int Layers { get; init; } = 4;

    [Setting("Attention heads of a layer.", Min = 1, Max = MostHidden, Unit = "heads")]
    public int Heads { get; init; } = 4;

    /// <summary>0 for four times the hidden size.</summary>
    public int Inner { get; init; }

    [Setting(
        "The most tokens that the model can read; those past the sequence length stay untrained.", Min = 16, Max = 8192,
        Unit = "tokens")]
    public int MaxPositions { get; init; } = 512;

    [Setting("Pieces of the vocabulary.", Min = 100, Max = 65_536, Unit = "pieces")]
    public int VocabularySize { get; init; } = 8192;

    [Setting("Tells upper and lower case apart.", Name = "cased", On = false)]
    public bool IsLowercase { get; init; } = true;

    [Setting("Tokens of a training sequence, special ones included.", Min = 16, Unit = "tokens")]
    public int SequenceLength { get; init; } = 128;

    [Setting("Documents at the beginning that are not learned from, but judged by.", Min = 1, Unit = "documents")]
    public int HeldOutDocuments { get; init; } = 200;

    [Setting("Stores weights in half the bytes.", Name = "store_bfloat16", On = WeightFormat.BFloat16)]
    public WeightFormat Format { get; init; }

    [SettingGroup]
    public required PretrainingSettings Settings { get; init; }

    public override IReadOnlyList<string> Models => [];

    public override IReadOnlyList<string> DatasetNames => Datasets;

    public override RecipeOutputs Outputs => RecipeOutputs.Model;

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        Settings.Validate();
        SettingException.ThrowUnless(
            Hidden % Heads == 0, HiddenSetting, Hidden,
            $"a multiple of the {Heads} heads, at most {MostHidden}");
        SettingException.ThrowUnless(
            Inner is >= 0 and <= 4 * MostHidden, nameof(Inner), Inner, $"0 to {4 * MostHidden}");
        SettingException.ThrowUnless(
            SequenceLength <= MaxPositions, nameof(SequenceLength), SequenceLength, $"16 to {MaxPositions}");
        ThrowUnlessFitting();
        if (Datasets.Count == 0)
            throw new SettingException(nameof(Datasets), "There is no corpus; name at least one dataset.");
        if (!Documents(inputs).Skip(HeldOutDocuments).Any())
        {
            throw new SettingException(
                nameof(HeldOutDocuments),
                $"The corpus has no more than {HeldOutDocuments} documents, which are held out; "
                + "give more text, or hold out less.");
        }

        var needing = Settings.Objectives.Select(Objectives.Of).Where(traits => traits.NeedsSentences).ToList();
        if (needing.Count > 0 && !Documents(inputs).Any(text => SentenceSplitter.Ends(text).Skip(1).Any()))
        {
            throw new SettingException(
                nameof(Settings.Objectives),
                $"{string.Join(", ", needing.Select(traits => traits.Name))} compare sentences, "
                + "and no document of the corpus has two; give whole texts, a document a row.");
        }
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);

        // These files follow from the corpus and the settings, so a job that resumes makes those that are missing.
        Directory.CreateDirectory(context.Checkpoints);
        var vocabulary = LoadVocabulary(context);
        var tokenizer = new BertTokenizer(vocabulary, IsLowercase);
        using var corpus = OpenCorpus(context, "corpus", Documents(context.Inputs).Skip(HeldOutDocuments), tokenizer);
        using var heldOut = OpenCorpus(
            context, "held-out", Documents(context.Inputs).Take(HeldOutDocuments), tokenizer);
        var config = new BertConfig
        {
            Vocab = vocabulary.Count,
            Hidden = Hidden,
            Layers = Layers,
            Heads = Heads,
            Inner = Inner == 0 ? 4 * Hidden : Inner,
            MaxPositions = MaxPositions
        };
        using var trainer = new PretrainingTrainer(
            context.Backend,
            config,
            new InitialParameters(
                CounterRandom.Key(Settings.Seed, Purpose.Weights), config, Settings.Initialization,
                Settings.InitialDeviation),
            new ExampleSampler(corpus, vocabulary, SequenceLength, Settings.ShortSequences),
            new ExampleSampler(heldOut, vocabulary, SequenceLength),
            Settings,
            context.Time,
            new DocumentOrigins(
                Rows(context.Inputs).Skip(HeldOutDocuments), text => tokenizer.Tokenize(text).Count > 0,
                corpus.Documents).Describe);
        var state = trainer.Run(context.Observer, new(context.Checkpoints), context.CancellationToken);
        var model = context.NewArtifact("model");
        BertFolderWriter.Write(model, config, tokenizer, trainer.Model.Tensors(), trainer.Model, Format);
        return new(state.Metrics, TaskVersion: null, model);
    }

    private Vocabulary LoadVocabulary(RecipeContext context)
    {
        var path = Path.Combine(context.Checkpoints, ModelFiles.Vocabulary);
        if (File.Exists(path))
            return Vocabulary.Load(path);
        var vocabulary = WordPieceTrainer.Train(
            Documents(context.Inputs), IsLowercase, new() { VocabularySize = VocabularySize });
        DiskFileSystem.Instance.Replace(path, vocabulary.Save);
        return vocabulary;
    }

    private static Corpus OpenCorpus(
        RecipeContext context, string name, IEnumerable<string> documents, BertTokenizer tokenizer)
    {
        var path = Path.Combine(context.Checkpoints, name + ".tokens");
        if (!File.Exists(path))
            Corpus.Write(path, documents, tokenizer);
        return Corpus.Open(path);
    }

    private void ThrowUnlessFitting()
    {
        double inner = Inner == 0 ? 4 * Hidden : Inner;
        var ofLayer = (4.0 * Hidden * Hidden) + (2 * Hidden * inner);
        TrainingMemory.ThrowUnlessFits(
            ((VocabularySize + MaxPositions) * (double)Hidden) + (Layers * ofLayer), HiddenSetting);
    }

    private IEnumerable<string> Documents(IRecipeInputs inputs) => Rows(inputs).Select(row => row.Text);

    private IEnumerable<(string Dataset, long Line, string Text)> Rows(IRecipeInputs inputs) =>
        CorpusRows.Read(inputs, Datasets);
}
