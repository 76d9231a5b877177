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
    /// <summary>The backbone, by name.</summary>
    public required string Model { get; init; }

    /// <summary>What is learned from, by name.</summary>
    public required string Dataset { get; init; }

    /// <summary>What the best state is chosen by; null takes a part of the dataset.</summary>
    public string? ValidationDataset { get; init; }

    /// <summary>The part of the dataset to judge by, above 0 and below 1, when there is no other.</summary>
    public double ValidationShare { get; init; } = 0.1;

    /// <summary>Whether labels are numbers to be predicted rather than classes.</summary>
    public bool IsRegression { get; init; }

    /// <summary>Longer texts are cut off at the end, pairs at the longer text.</summary>
    public int MaxTokens { get; init; } = 128;

    public required ClassifierSettings Settings { get; init; }

    public override IReadOnlyList<string> Models => [Model];

    public override IReadOnlyList<string> DatasetNames => ValidationDataset is null ? [Dataset] : [Dataset, ValidationDataset];

    public override void Validate(IRecipeInputs inputs)
    {
        Settings.Validate();
        Range.Require(ValidationShare is > 0 and < 1, nameof(ValidationShare), ValidationShare, "above 0 and below 1");
        var config = Config(inputs);
        Range.Require(
            MaxTokens >= 3 && MaxTokens <= config.MaxPositions, nameof(MaxTokens), MaxTokens, $"3 to {config.MaxPositions}, what the model has positions for");
        if (Settings.Method == TrainingMethod.Mask)
            Bert.BertScores.ThrowUnlessValid(config, Settings.Mask);
        var manifests = DatasetNames.Select(name => Manifest(inputs, name)).ToList();
        foreach (var manifest in manifests)
            ThrowUnlessLabelled(manifest);
        if (manifests.Any(manifest => manifest.Columns.Pair is null != manifests[0].Columns.Pair is null))
            throw new SettingException(nameof(ValidationDataset), $"Of '{Dataset}' and '{ValidationDataset}' one has pairs and one has not; both are needed alike.");
        if (IsRegression)
            return;
        if (manifests[0].Labels.Count < 2)
            throw new SettingException(nameof(Dataset), $"All rows of the dataset '{Dataset}' have the label '{manifests[0].Labels[0].Label}'; at least two labels are needed.");
        var unseen = manifests[^1].Labels.Select(label => label.Label).Except(manifests[0].Labels.Select(label => label.Label), StringComparer.Ordinal).ToList();
        if (unseen.Count > 0)
            throw new SettingException(nameof(ValidationDataset), $"Labels that come only in validation: {string.Join(", ", unseen)}. Give examples to learn them from.");
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        var config = Config(context.Inputs);
        var folder = new BertFolder(context.Inputs.ModelFolder(Model));
        var tokenizer = folder.LoadTokenizer();
        var (data, hasPairs) = ReadData(context.Inputs, tokenizer);
        using var weights = SafetensorsFile.Open(Path.Combine(folder.Path, "model.safetensors"));
        using var trainer = new ClassifierTrainer(context.Backend, config, new CheckpointBertWeights(weights), data, Settings);
        var state = trainer.Run(context.Observer, new(context.Checkpoints), context.CancellationToken);
        var metrics = state.Best!.ToMetrics(data.IsRegression);

        var isNewModel = Settings.Method == TrainingMethod.Finetune;
        var model = isNewModel ? context.NewArtifact("model") : null;
        if (model is not null)
            BertFolderWriter.Write(model, config, tokenizer.Vocabulary, tokenizer.IsLowercase, trainer.Model.Tensors(), trainer.Model);
        return new(metrics, WriteTask(context, trainer, data, hasPairs, metrics), model);
    }

    private BertConfig Config(IRecipeInputs inputs) => BertConfig.Load(Path.Combine(inputs.ModelFolder(Model), "config.json"));

    /// <summary>Writes the task version.</summary>
    /// <returns>Its folder.</returns>
    private string WriteTask(
        RecipeContext context, ClassifierTrainer trainer, ClassifierData data, bool hasPairs, IReadOnlyDictionary<string, double> metrics)
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
            Lineage = new(context.Job, [.. DatasetNames.Select(name => Manifest(context.Inputs, name).Digest)], ToDictionary()),
            Kept = new Dictionary<string, long>(),
            Files = new Dictionary<string, string>()
        });
        return Path.Combine(parent, version);
    }

    private static DatasetManifest Manifest(IRecipeInputs inputs, string name) =>
        DatasetManifest.Parse(File.ReadAllText(Path.Combine(inputs.DatasetFolder(name), DatasetFolder.ManifestFile)));

    private (ClassifierData Data, bool HasPairs) ReadData(IRecipeInputs inputs, BertTokenizer tokenizer)
    {
        var rows = DatasetFolder.Rows(inputs.DatasetFolder(Dataset)).ToList();
        var validation = ValidationDataset is null
            ? rows.Where(IsValidation).ToList()
            : DatasetFolder.Rows(inputs.DatasetFolder(ValidationDataset)).ToList();
        if (ValidationDataset is null)
            rows.RemoveAll(IsValidation);
        string[] labels = IsRegression ? [] : [.. rows.Concat(validation).Select(row => row.Label!).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        var numbers = labels.Select((label, i) => (label, i)).ToDictionary(pair => pair.label, pair => pair.i, StringComparer.Ordinal);
        ClassifierExample Example(DatasetRow row) => IsRegression
            ? new(Encode(tokenizer, row), 0, float.Parse(row.Label!, CultureInfo.InvariantCulture))
            : new(Encode(tokenizer, row), numbers[row.Label!]);
        return (new(labels, [.. rows.Select(Example)], [.. validation.Select(Example)]), rows[0].Pair is not null);
    }

    private void ThrowUnlessLabelled(DatasetManifest manifest)
    {
        if (manifest.Columns.Label is null)
            throw new SettingException(nameof(Dataset), $"The dataset '{manifest.Name}' has no labels; upload it with a label column.");
        if (IsRegression && !manifest.HasNumbers)
            throw new SettingException(nameof(IsRegression), $"Labels of the dataset '{manifest.Name}' are no numbers; regression needs numbers.");
        if (!IsRegression && manifest.Labels.Count == 0)
            throw new SettingException(nameof(Dataset), $"The dataset '{manifest.Name}' has more than {DatasetFolder.MostLabels} labels; those are no classes.");
    }

    private TokenSequence Encode(BertTokenizer tokenizer, DatasetRow row)
    {
        try
        {
            return tokenizer.Encode(row.Text, row.Pair, MaxTokens, row.Pair is null ? Truncation.Right : Truncation.LongestFirst);
        }
        catch (InvalidTextException exception)
        {
            throw new ArgumentException($"A row of the dataset can't be read: {exception.Message}", exception);
        }
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
