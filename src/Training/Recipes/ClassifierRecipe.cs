using System.Globalization;
using System.Text;
using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Models.Tasks;
using Serving.Tensors;
using Serving.Text;
using Serving.Text.Bert;
using Serving.Training.Classification;
using Serving.Training.Data;

namespace Serving.Training.Recipes;

/// <summary>Trains a classifier on a dataset: masks, all weights or the head alone.</summary>
public sealed record ClassifierRecipe : Recipe
{
    /// <summary>The metric of the <see cref="Incumbent"/>: accuracy, or correlation for regression.</summary>
    public const string CurrentMetric = "current";

    /// <summary>The backbone, by name.</summary>
    public required string Model { get; init; }

    /// <summary>What is learned from, by name.</summary>
    public required string Dataset { get; init; }

    /// <summary>What selects the best state; null takes a part of the dataset.</summary>
    public string? ValidationDataset { get; init; }

    /// <summary>The part of the dataset to judge by, above 0 and below 1, when there is no other.</summary>
    public double ValidationShare { get; init; } = 0.1;

    /// <summary>Whether labels are numbers to be predicted rather than classes.</summary>
    public bool IsRegression { get; init; }

    /// <summary>Longer texts are cut off at the end, pairs at the longer text.</summary>
    public int MaxTokens { get; init; } = 128;

    public required ClassifierSettings Settings { get; init; }

    /// <summary>A task version to evaluate on the same data, for the conditions of publishing; null for none.</summary>
    public TaskInput? Incumbent { get; init; }

    public override IReadOnlyList<string> Models => [Model];

    public override IReadOnlyList<string> DatasetNames =>
        ValidationDataset is null ? [Dataset] : [Dataset, ValidationDataset];

    public override IReadOnlyList<TaskInput> TaskVersions => Incumbent is null ? [] : [Incumbent];

    public override void Validate(IRecipeInputs inputs)
    {
        Settings.Validate();
        Range.Require(ValidationShare is > 0 and < 1, nameof(ValidationShare), ValidationShare, "above 0 and below 1");
        var config = Config(inputs);
        Range.Require(
            MaxTokens >= 3 && MaxTokens <= config.MaxPositions, nameof(MaxTokens), MaxTokens,
            $"3 to {config.MaxPositions}, what the model has positions for");
        if (Settings.Method == TrainingMethod.Mask)
            Bert.BertScores.ThrowUnlessValid(config, Settings.Mask);
        var manifests = DatasetNames.Select(name => LabelledDataset.Manifest(inputs, name)).ToList();
        foreach (var manifest in manifests)
            LabelledDataset.ThrowUnlessLabelled(manifest, IsRegression, nameof(Dataset));
        if (manifests.Any(manifest => manifest.Columns.Pair is null != manifests[0].Columns.Pair is null))
        {
            throw new SettingException(
                nameof(ValidationDataset),
                $"Of '{Dataset}' and '{ValidationDataset}' one has pairs and one has not; both are needed alike.");
        }

        if (Incumbent is not null)
            ThrowUnlessComparable(inputs, manifests[0]);
        if (IsRegression)
            return;
        if (manifests[0].Labels.Count < 2)
        {
            throw new SettingException(
                nameof(Dataset),
                $"All rows of the dataset '{Dataset}' have the label '{manifests[0].Labels[0].Label}'; "
                + "at least two labels are needed.");
        }

        var unseen = manifests[^1].Labels.Select(label => label.Label)
            .Except(manifests[0].Labels.Select(label => label.Label), StringComparer.Ordinal).ToList();
        if (unseen.Count > 0)
        {
            throw new SettingException(
                nameof(ValidationDataset),
                $"Labels that come only in validation: {string.Join(", ", unseen)}. Give examples to learn them from.");
        }
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        var config = Config(context.Inputs);
        var folder = new BertFolder(context.Inputs.ModelFolder(Model));
        var tokenizer = folder.LoadTokenizer();
        var (train, validation) = Rows(context.Inputs);
        var data = Data(tokenizer, train, validation);
        using var weights = folder.OpenWeights();
        using var trainer = new ClassifierTrainer(
            context.Backend, config, new CheckpointBertWeights(weights), data, Settings);
        var state = trainer.Run(context.Observer, new(context.Checkpoints), context.CancellationToken);
        var metrics = new Dictionary<string, double>(state.Best!.ToMetrics(data.IsRegression), StringComparer.Ordinal);
        if (Incumbent is not null)
            metrics[CurrentMetric] = IncumbentMetric(context, validation);

        var isNewModel = Settings.Method == TrainingMethod.Finetune;
        var model = isNewModel ? context.NewArtifact("model") : null;
        if (model is not null)
        {
            BertFolderWriter.Write(
                model, config, tokenizer.Vocabulary, tokenizer.IsLowercase, trainer.Model.Tensors(), trainer.Model);
        }

        return new(metrics, WriteTask(context, trainer, data, train[0].Pair is not null, metrics), model);
    }

    private void ThrowUnlessComparable(IRecipeInputs inputs, DatasetManifest dataset)
    {
        var incumbent = TaskPack.ReadManifest(inputs.TaskFolder(Incumbent!), Incumbent!.Version);
        if (incumbent.Inputs == TaskInputs.Pair != dataset.Columns.Pair is not null
            || incumbent.Labels.Count == 1 != IsRegression)
        {
            throw new SettingException(
                nameof(Incumbent),
                $"The current version of '{Incumbent.Task}' can't be compared with: it reads other inputs, or predicts "
                + "a number where this gives labels, or the other way round.");
        }
    }

    /// <summary>The incumbent's metric; a label that it does not know counts as an error.</summary>
    private double IncumbentMetric(RecipeContext context, List<DatasetRow> validation)
    {
        using var incumbent = TrainedClassifier.Open(context.Inputs, Incumbent!);
        var logits = incumbent.Logits(
            context.Backend, validation, Math.Min(MaxTokens, incumbent.Config.MaxPositions), context.CancellationToken);
        if (IsRegression)
        {
            return EvaluationReport.OfNumbers(
                [.. logits.Select(row => row[0])],
                [.. validation.Select(row => float.Parse(row.Label!, CultureInfo.InvariantCulture))]).Metric;
        }

        return logits.Zip(validation).Average(pair =>
            incumbent.Pack.Manifest.Labels[Array.IndexOf(pair.First, pair.First.Max())] == pair.Second.Label
                ? 1.0
                : 0.0);
    }

    private BertConfig Config(IRecipeInputs inputs) =>
        new BertFolder(inputs.ModelFolder(Model)).LoadConfig();

    /// <summary>Writes the task version.</summary>
    /// <returns>Its folder.</returns>
    private string WriteTask(
        RecipeContext context, ClassifierTrainer trainer, ClassifierData data, bool hasPairs,
        IReadOnlyDictionary<string, double> metrics)
    {
        string backbone;
        using (var encoder = BertEncoder.Load(context.Backend, trainer.Model.Config, trainer.Model))
            backbone = encoder.Digest;
        var writer = new TaskPackWriter();
        var masks = trainer.Masks();
        foreach (var (name, rows, columns) in BertTensors.Maskable(trainer.Model.Config))
        {
            if (masks.TryGetValue(name, out var bits))
                writer.AddMask(name, rows, columns, bits);
        }

        var (weight, bias) = trainer.Head();
        writer.SetHead(weight, bias);
        var parent = context.NewArtifact("task");
        var version = writer.Write(parent, new()
        {
            Format = TaskManifest.CurrentFormat,
            Labels = data.IsRegression ? ["value"] : data.Labels,
            Inputs = hasPairs ? TaskInputs.Pair : TaskInputs.Text,
            Backbone = backbone,
            Threshold = Settings.Method == TrainingMethod.Mask ? Settings.Mask.Threshold : 0,
            Metrics = metrics,
            Lineage = new(
                context.Job, [.. DatasetNames.Select(name => LabelledDataset.Manifest(context.Inputs, name).Digest)],
                ToDictionary()),
            Kept = new Dictionary<string, long>(),
            Files = new Dictionary<string, string>()
        });
        return Path.Combine(parent, version);
    }

    /// <summary>What is learned from, and what it is judged by.</summary>
    internal (List<DatasetRow> Train, List<DatasetRow> Validation) Rows(IRecipeInputs inputs)
    {
        var train = LabelledDataset.Rows(inputs, Dataset);
        if (ValidationDataset is not null)
            return (train, LabelledDataset.Rows(inputs, ValidationDataset));
        var validation = train.Where(IsValidation).ToList();
        train.RemoveAll(IsValidation);
        return (train, validation);
    }

    internal ClassifierData Data(BertTokenizer tokenizer, List<DatasetRow> train, List<DatasetRow> validation)
    {
        string[] labels = IsRegression
            ? []
            : [.. train.Concat(validation).Select(row => row.Label!).Distinct().Order(StringComparer.Ordinal)];
        return new(
            labels, LabelledDataset.Examples(train, tokenizer, labels, MaxTokens),
            LabelledDataset.Examples(validation, tokenizer, labels, MaxTokens));
    }

    /// <summary>By the text, so that equal texts are on the same side, whatever the order of rows.</summary>
    private bool IsValidation(DatasetRow row)
    {
        var hash = 0xCBF29CE484222325; // FNV-1a, then mixed.
        foreach (var value in Encoding.UTF8.GetBytes(row.Text + '\0' + row.Pair))
            hash = (hash ^ value) * 0x100000001B3;
        return CounterRandom.Uniform(hash, 0) < ValidationShare;
    }
}
