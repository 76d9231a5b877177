using System.Globalization;
using System.Text;
using Serving.Models;
using Serving.Models.Lstm;
using Serving.Models.Tokenizers;
using Serving.Storage;
using Serving.Tensors;
using Serving.Text.Bpe;
using Serving.Text.Trainers;
using Serving.Training.Analysis;
using Serving.Training.LanguageModels;
using Serving.Training.Lstm;
using Serving.Training.Settings;
using Serving.Training.Vae;
using Purpose = Serving.Training.RandomPurposes.Vae;

namespace Serving.Training.Recipes;

/// <summary>Trains a variational autoencoder of texts from scratch, with its own vocabulary.</summary>
[Recipe(
    "vae", "train vae",
    "Learns to write texts from points of a space, and to find their points: a variational autoencoder.")]
public sealed record VaeRecipe : Recipe
{
    private const int MostSize = 8192;
    private const string HiddenSetting = "hidden_size";
    private const int MostPoints = 500; // Of a plot.

    [Setting("The texts; each row is one.", Kind = SettingKind.Dataset)]
    public required IReadOnlyList<string> Datasets { get; init; }

    [Setting(
        "The texts that are judged by.", Kind = SettingKind.Dataset, Otherwise = "texts held out of the datasets")]
    public IReadOnlyList<string> ValidationDatasets { get; init; } = [];

    [Setting(
        "Texts at the beginning that are not learned from, but judged by; not with validation datasets.", Min = 1,
        Unit = "texts")]
    public int HeldOutTexts { get; init; } = 200;

    [Setting("What tokens are.")]
    public Tokenization Tokenization { get; init; } = Tokenization.Word;

    [Setting("The most tokens of the vocabulary.", Min = 257, Max = 1 << 20, Unit = "tokens")]
    public int VocabularySize { get; init; } = 10_000;

    [Setting("The most tokens of a text; longer ones are left out.", Min = 1, Max = 4096, Unit = "tokens")]
    public int MaxTokens { get; init; } = 100;

    [Setting(
        "The width of the token embeddings; another one than the hidden states' needs a free output.", Min = 0,
        Max = MostSize, Zero = "that of the hidden states")]
    public int EmbeddingSize { get; init; }

    [Setting("The width of the hidden states.", Name = HiddenSetting, Min = 1, Max = MostSize)]
    public int Hidden { get; init; } = 256;

    [Setting("Dimensions of a text's latent.", Min = 1, Max = 1024, Unit = "dimensions")]
    public int LatentSize { get; init; } = 32;

    [Setting(
        "Gives the output layer weights of its own; left out, they are those of the token embeddings.",
        Name = "free_output", On = false)]
    public bool TiesEmbeddings { get; init; } = true;

    [Setting("Stores weights in half the bytes.", Name = "store_bfloat16", On = WeightFormat.BFloat16)]
    public WeightFormat Format { get; init; }

    [SettingGroup]
    public required VaeSettings Settings { get; init; }

    public override IReadOnlyList<string> Models => [];

    public override IReadOnlyList<string> DatasetNames => [.. Datasets, .. ValidationDatasets];

    /// <summary>The model is among the artifacts; nothing serves it.</summary>
    public override RecipeOutputs Outputs => RecipeOutputs.Report;

    private int OwnEmbedding => EmbeddingSize == 0 ? Hidden : EmbeddingSize;

    /// <summary>Texts of the datasets that are not learned from.</summary>
    private int HeldOut => ValidationDatasets.Count == 0 ? HeldOutTexts : 0;

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        Settings.Validate();
        SettingException.ThrowUnless(
            !TiesEmbeddings || OwnEmbedding == Hidden, nameof(EmbeddingSize), EmbeddingSize,
            $"{Hidden}, as the hidden states have, or a free output");
        var size = (double)Math.Max(Hidden, OwnEmbedding);
        TrainingMemory.ThrowUnlessFits(
            (3 * VocabularySize * size) + (16 * Hidden * (size + LatentSize)), HiddenSetting);
        if (Datasets.Count == 0)
            throw new SettingException(nameof(Datasets), "There is no text; name at least one dataset.");
        if (!Rows(inputs).Skip(HeldOut).Any())
        {
            throw new SettingException(
                nameof(HeldOutTexts),
                $"The datasets have no more than {HeldOut} texts, which are held out; give more text, or hold out "
                + "less.");
        }
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        Directory.CreateDirectory(context.Checkpoints);
        var tokenizer = LoadTokenizer(context);
        var config = Config(tokenizer);
        var sentences = Sentences(context, Rows(context.Inputs).Skip(HeldOut), tokenizer, config, nameof(Datasets));
        var heldOut = ValidationDatasets.Count == 0
            ? Sentences(context, Rows(context.Inputs).Take(HeldOut), tokenizer, config, nameof(HeldOutTexts))
            : Sentences(
                context, CorpusRows.Read(context.Inputs, ValidationDatasets), tokenizer, config,
                nameof(ValidationDatasets));
        using var records = new StepRecords(Path.Combine(context.Checkpoints, "steps.records"));
        var model = VaeModel.Load(
            context.Backend, config, new UniformParameters(CounterRandom.Key(Settings.Seed, Purpose.Weights)));
        using var trainer = new VaeTrainer(
            context.Backend, model, [.. sentences.Select(each => each.Sentence)],
            [.. heldOut.Select(each => each.Sentence)], Settings, records, context.Time,
            numbers => Describe(numbers.Select(number => sentences[number])));
        var (steps, metrics) = trainer.Run(
            context.Observer, new(context.Checkpoints), context.CancellationToken);
        WriteReports(context, records.Read(steps));
        var folder = context.NewArtifact("model");
        LstmFolder.Write(folder, config, tokenizer, trainer.Model, Format);
        return new(metrics, TaskVersion: null, folder);
    }

    private LstmConfig Config(BpeTokenizer tokenizer)
    {
        var end = tokenizer.Vocabulary.GetId(BpeTrainer.EndOfText);
        return new()
        {
            Vocab = tokenizer.Vocabulary.Count,
            Embedding = OwnEmbedding,
            Hidden = Hidden,
            Layers = 1,
            Latent = LatentSize,
            MaxPositions = MaxTokens + 1, // With the beginning.
            TiesEmbeddings = TiesEmbeddings,
            BeginToken = end,
            EndToken = end
        };
    }

    private BpeTokenizer LoadTokenizer(RecipeContext context)
    {
        var path = Path.Combine(context.Checkpoints, ModelFiles.Tokenizer);
        if (!File.Exists(path))
        {
            var tokenizer = Tokenization.Train(
                Rows(context.Inputs).Skip(HeldOut).Select(row => row.Text), new() { VocabularySize = VocabularySize });
            DiskFileSystem.Instance.Replace(path, file => BpeFiles.Write(tokenizer, file));
        }

        return BpeFiles.Load(context.Checkpoints);
    }

    /// <summary>Texts of at least one token, and no more than there may be; of others, how many there are is told.
    /// </summary>
    private List<(Sentence Sentence, string Dataset, long Line)> Sentences(
        RecipeContext context, IEnumerable<(string Dataset, long Line, string Text)> rows, BpeTokenizer tokenizer,
        LstmConfig config, string setting)
    {
        var sentences = new List<(Sentence, string, long)>();
        var (empty, tooLong, end) = (0, 0, config.EndToken!.Value);
        foreach (var (dataset, line, text) in rows)
        {
            var ids = tokenizer.Encode(text);
            if (ids.Count == 0)
                empty++;
            else if (ids.Count > MaxTokens)
                tooLong++;
            else
                sentences.Add((new([end, .. ids, end]), dataset, line));
        }

        if (empty + tooLong > 0)
        {
            context.Observer.Warned(
                0, $"Texts are left out: {tooLong} of more than {MaxTokens} tokens, {empty} without any.");
        }

        return sentences.Count > 0
            ? sentences
            : throw new SettingException(
                setting,
                $"No text has 1 to {MaxTokens} tokens: {tooLong} are longer, {empty} are empty. Give others, or allow "
                + "longer ones.");
    }

    private void WriteReports(RecipeContext context, StepRecords.Record[] records)
    {
        var table = new StringBuilder("step\tkl_weight\treconstruction\tkl\tencoder_steps\n");
        foreach (var (i, each) in records.Index())
        {
            table.Append(
                CultureInfo.InvariantCulture,
                $"{i + 1}\t{each.Weight}\t{each.Reconstruction}\t{each.Divergence}\t{each.EncoderSteps}\n");
        }

        context.WriteReport("steps.tsv", table.ToString());
        var every = Math.Max(1, records.Length / MostPoints);
        PlotSeries Series(string name, Func<StepRecords.Record, double> value) => new(
            name, [.. records.Index().Where(each => each.Index % every == 0).Select(
                each => (each.Index + 1.0, value(each.Item)))]);
        context.WriteReport("kl.svg", SvgPlot.Chart(
            "The divergence and its weight", "steps", "nats a text; weight times the largest divergence",
            [
                Series("KL", each => each.Divergence),
                Series("weight", each => each.Weight * records.Max(record => record.Divergence))
            ]));
        context.WriteReport("reconstruction.svg", SvgPlot.Chart(
            "Reconstruction", "steps", "nats a text", [Series("reconstruction", each => each.Reconstruction)]));
    }

    private static string Describe(IEnumerable<(Sentence Sentence, string Dataset, long Line)> sentences) =>
        string.Join("; ", sentences.GroupBy(each => each.Dataset, each => each.Line, StringComparer.Ordinal)
            .Select(group => $"lines {Loop.ItemNumbers.List(group)} of the dataset '{group.Key}'"));

    private IEnumerable<(string Dataset, long Line, string Text)> Rows(IRecipeInputs inputs) =>
        CorpusRows.Read(inputs, Datasets);
}
