using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Models.Versions;
using Serving.Tables;
using Serving.Text.Bert;
using Serving.Training.Classification;
using Serving.Training.Data;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>Trains a classifier on a dataset: masks, all weights or the head alone.</summary>
[Recipe(
    "classifier", "train mask", "Learns masks over a frozen backbone: a task version.", Setting = "method",
    Value = TrainingMethod.Mask)]
[Recipe(
    "classifier", "train finetune", "Trains all weights: a model of its own, and a task version for it.",
    Setting = "method", Value = TrainingMethod.Finetune)]
[Recipe(
    "classifier", "train head", "Trains the head alone over a frozen backbone: a task version.", Setting = "method",
    Value = TrainingMethod.HeadOnly)]
public sealed record ClassifierRecipe : Recipe, IComparableRecipe, IJsonOnDeserializing
{
    private ValidationSplit _split = ValidationSplit.Stratified;

    [Setting("The backbone.", Kind = SettingKind.Model)]
    public required string Model { get; init; }

    [Setting("What is learned from; it has labels.", Kind = SettingKind.Dataset)]
    public required string Dataset { get; init; }

    /// <summary>What selects the best state.</summary>
    [Setting(
        "What the best state is chosen by.", Kind = SettingKind.Dataset, Otherwise = "a part of the dataset")]
    public string? ValidationDataset { get; init; }

    [Setting("The part of the dataset to judge by, if no other is named.", Above = 0, Below = 1)]
    public double ValidationShare { get; init; } = 0.1;

    [Setting("Labels are numbers to be predicted rather than classes.", Name = "regression")]
    public bool IsRegression { get; init; }

    /// <summary>Of pairs the longer text is cut off. No more than the model has positions for.</summary>
    [Setting("Tokens of a text, special ones included; longer texts are cut off.", Min = 3, Unit = "tokens")]
    public int MaxTokens { get; init; } = 128;

    [SettingGroup]
    public required ClassifierSettings Settings { get; init; }

    /// <summary>A task version to evaluate on the same data, for the conditions of publishing; null for none.</summary>
    public VersionInput? Incumbent { get; init; }

    /// <summary>How the rows to judge by are chosen, if no dataset is named for that.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ValidationSplit Split
    {
        get => _split;
        init => _split = value;
    }

    public override IReadOnlyList<string> Models => [Model];

    public override IReadOnlyList<string> DatasetNames =>
        ValidationDataset is null ? [Dataset] : [Dataset, ValidationDataset];

    public override IReadOnlyList<VersionInput> TaskVersions => Incumbent is null ? [] : [Incumbent];

    public override RecipeOutputs Outputs => Settings.Method == TrainingMethod.Finetune
        ? RecipeOutputs.TaskVersion | RecipeOutputs.Model
        : RecipeOutputs.TaskVersion;

    public override RecipeMetric Metric =>
        IsRegression ? new("pearson", "correlation") : new("accuracy", "accuracy");

    /// <summary>A stored recipe that does not say how to split is of a release that did it by text.</summary>
    void IJsonOnDeserializing.OnDeserializing() => _split = ValidationSplit.ByText;

    public Recipe With(VersionInput incumbent) => this with { Incumbent = incumbent };

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        Settings.Validate();
        var config = Config(inputs);
        SettingException.ThrowUnless(
            MaxTokens <= config.MaxPositions, nameof(MaxTokens), MaxTokens,
            $"3 to {config.MaxPositions}, what the model has positions for");
        _ = Settings.PoolingOf(config);
        if (Settings.Method == TrainingMethod.Mask)
            SettingException.Within("mask", () => Settings.MaskOf(config).Validate(config));
        LabelledDataset.ThrowUnlessLabelled(inputs, Dataset, IsRegression, nameof(Dataset));
        if (ValidationDataset is not null)
            LabelledDataset.ThrowUnlessLabelled(inputs, ValidationDataset, IsRegression, nameof(ValidationDataset));
        var manifests = DatasetNames.Select(name => LabelledDataset.Manifest(inputs, name)).ToList();
        if (manifests.Any(manifest => manifest.Columns.Pair is null != manifests[0].Columns.Pair is null))
        {
            throw new SettingException(
                nameof(ValidationDataset),
                $"Of '{Dataset}' and '{ValidationDataset}' one has pairs and one has not; both are needed alike.");
        }

        if (manifests[0].Columns.Pair is not null && !config.ReadsPairs)
        {
            throw new SettingException(
                nameof(Dataset),
                $"The dataset '{Dataset}' has pairs of texts, and the model '{Model}' reads single ones: its "
                + $"type_vocab_size is {config.Types}. Give a dataset without pairs, or a model that tells two apart.");
        }

        LabelledDataset.ThrowUnlessRoom(manifests[0], MaxTokens, nameof(MaxTokens));
        if (Incumbent is not null)
            ThrowUnlessComparable(inputs, manifests[0]);
        if (!IsRegression)
            ThrowUnlessClasses(manifests);
        if (ValidationDataset is null && HeldOut(LabelledDataset.Rows(inputs, Dataset)) is null)
            throw NothingToHoldOut();
    }

    private void ThrowUnlessClasses(List<DatasetManifest> manifests)
    {
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

    public override ClassifierRecipe For(IRecipeInputs inputs) => this with { Settings = Settings.For(Config(inputs)) };

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        var config = Config(context.Inputs);
        var folder = new BertFolder(context.Inputs.ModelFolder(Model));
        var tokenizer = folder.LoadTokenizer();
        var (train, validation) = Rows(context.Inputs);
        // Now, since the dataset may be deleted while the job runs.
        var digests = Digests(context.Inputs);
        var data = Data(tokenizer, train, validation) with
        {
            Describe = new RowOrigins(context.Inputs, Dataset, train).Describe
        };
        using var weights = folder.OpenWeights();
        using var trainer = new ClassifierTrainer(
            context.Backend, config, new CheckpointParameters(weights), data, Settings);
        var state = trainer.Run(context.Observer, new(context.Checkpoints), context.CancellationToken);
        var metrics = new Dictionary<string, double>(state.Best!.ToMetrics(data.IsRegression), StringComparer.Ordinal);
        if (Incumbent is not null)
            metrics[IComparableRecipe.IncumbentMetric] = MetricOfIncumbent(context, validation);

        var isNewModel = Settings.Method == TrainingMethod.Finetune;
        var model = isNewModel ? context.NewArtifact("model") : null;
        if (model is not null)
        {
            BertFolderWriter.Write(model, config, tokenizer, trainer.Model.Tensors(), trainer.Model);
        }

        var task = WriteTask(context, trainer, tokenizer, data, train[0].Pair is not null, digests, metrics);
        return new(metrics, task, model);
    }

    private void ThrowUnlessComparable(IRecipeInputs inputs, DatasetManifest dataset)
    {
        var incumbent = VersionFiles.ReadManifest(inputs.TaskFolder(Incumbent!), Incumbent!.Version);
        if (incumbent.Inputs == TextInputs.Pair != dataset.Columns.Pair is not null
            || incumbent.Labels.Count == 1 != IsRegression)
        {
            throw new SettingException(
                nameof(Incumbent),
                $"The current version of '{Incumbent.Task}' can't be compared with: it reads other inputs, or predicts "
                + "a number where this gives labels, or the other way round.");
        }

        if (!IsRegression && !incumbent.Labels.Any(known => dataset.Labels.Any(label => label.Label == known)))
        {
            throw new SettingException(
                nameof(Incumbent),
                $"The current version of '{Incumbent.Task}' can't be compared with: of the labels of the dataset "
                + $"'{dataset.Name}' it knows none, but {string.Join(", ", incumbent.Labels)}.");
        }
    }

    /// <summary>The incumbent's metric; a label that it does not know counts as an error.</summary>
    internal double MetricOfIncumbent(RecipeContext context, List<DatasetRow> validation)
    {
        using var incumbent = TrainedClassifier.Open(context.Inputs, Incumbent!);
        var logits = incumbent.Logits(
            context.Backend, validation, Math.Min(MaxTokens, incumbent.Config.MaxPositions), context.CancellationToken);
        if (IsRegression)
        {
            return EvaluationReport.OfNumbers(
                [.. logits.Select(row => row[0])],
                [.. validation.Select(row => LabelNumber.Parse(row.Label!))]).Metric;
        }

        return logits.Zip(validation).Average(pair =>
            incumbent.Pack.Manifest.Labels[Array.IndexOf(pair.First, pair.First.Max())] == pair.Second.Label
                ? 1.0
                : 0.0);
    }

    internal BertConfig Config(IRecipeInputs inputs) =>
        new BertFolder(inputs.ModelFolder(Model)).LoadConfig();

    /// <summary>Writes the task version.</summary>
    /// <returns>Its folder.</returns>
    private string WriteTask(
        RecipeContext context, ClassifierTrainer trainer, BertTokenizer tokenizer, ClassifierData data, bool hasPairs,
        IReadOnlyList<string> digests, IReadOnlyDictionary<string, double> metrics)
    {
        BackboneDigest backbone;
        using (var encoder = BertEncoder.Load(
            context.Backend, trainer.Model.Config, trainer.Model, tokenizer: tokenizer))
            backbone = encoder.Backbone!;
        var masks = trainer.Masks();
        return new TaskArtifact
        {
            Backbone = backbone.Value,
            BackboneParts = backbone,
            Labels = data.Labels,
            HasPairs = hasPairs,
            Pooling = trainer.Pooling,
            Threshold = Settings.Method == TrainingMethod.Mask ? Settings.Mask.Threshold : 0,
            Masks = BertTensors.Maskable(trainer.Model.Config).Where(tensor => masks.ContainsKey(tensor.Name))
                .Select(tensor => (
                    tensor.Name, tensor.Rows, tensor.Columns, (ReadOnlyMemory<byte>)masks[tensor.Name])),
            Head = trainer.Head(),
            Metrics = metrics,
            Data = digests
        }.Write(context, this);
    }

    /// <summary>What is learned from, and what it is judged by.</summary>
    internal (List<DatasetRow> Train, List<DatasetRow> Validation) Rows(IRecipeInputs inputs)
    {
        List<DatasetRow> rows = [.. LabelledDataset.Rows(inputs, Dataset)];
        if (ValidationDataset is not null)
            return (rows, [.. LabelledDataset.Rows(inputs, ValidationDataset)]);
        var isHeldOut = HeldOut(rows) ?? throw NothingToHoldOut();
        return (
            [.. rows.Where((_, i) => !isHeldOut[i])],
            [.. rows.Where((_, i) => isHeldOut[i])]);
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

    /// <summary>Of the datasets.</summary>
    internal List<string> Digests(IRecipeInputs inputs) =>
        [.. DatasetNames.Select(name => LabelledDataset.Manifest(inputs, name).Digest)];

    /// <returns>Whether each row is one to judge by; null if none can be.</returns>
    private bool[]? HeldOut(IEnumerable<DatasetRow> rows) => Split == ValidationSplit.ByText
        ? HeldOutRows.ByText(rows, ValidationShare)
        : HeldOutRows.Stratified(rows, ValidationShare, hasClasses: !IsRegression);

    private SettingException NothingToHoldOut() => new(
        nameof(ValidationShare),
        $"No text of the dataset '{Dataset}' can be held out to judge by: equal texts stay together, and "
        + (IsRegression ? "all are equal." : "each label needs one to learn from.")
        + " Give more texts, or name a validation dataset.");
}
