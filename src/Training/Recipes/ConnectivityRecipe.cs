using Serving.Training.Analysis;
using Serving.Training.Classification;
using Serving.Training.Data;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>Whether a path of low loss connects two classifiers for one task (Zhao et al. 2020, sec. 6).</summary>
[Recipe("connectivity", "analyze connectivity", "Losses along a path between two classifiers.")]
public sealed record ConnectivityRecipe : Recipe
{
    /// <summary>Often trained by masks.</summary>
    [Setting("Where the path begins.", Kind = SettingKind.Task)]
    public required VersionInput First { get; init; }

    /// <summary>Often with all weights trained. Its model has the shape of the first's.</summary>
    [Setting("Where the path ends: another task version for the same labels.", Kind = SettingKind.Task)]
    public required VersionInput Second { get; init; }

    [Setting("What losses are measured on.", Kind = SettingKind.Dataset)]
    public required string Dataset { get; init; }

    [Setting("What a Bézier curve is learned from.", Kind = SettingKind.Dataset, Otherwise = "the line alone")]
    public string? TrainingDataset { get; init; }

    [Setting("Points of a path, ends included.", Min = 3, Max = 101, Unit = "points")]
    public int Points { get; init; } = 11;

    [Setting("Tokens of a text, special ones included; longer texts are cut off.", Min = 3, Unit = "tokens")]
    public int MaxTokens { get; init; } = 128;

    [Setting("Steps of learning the curve.", Min = 1, Max = 100_000, Unit = "steps")]
    public int Steps { get; init; } = 200;

    [Setting("Examples of a step.", Min = 1, Max = 4096, Unit = "examples")]
    public int BatchSize { get; init; } = 32;

    [Setting("The learning rate of the curve.", Above = 0, Max = 1)]
    public float LearningRate { get; init; } = 1e-4f;

    [Setting("Everything random follows from it.")]
    public ulong Seed { get; init; }

    public override IReadOnlyList<string> Models => [First.Model, Second.Model];

    public override IReadOnlyList<string> DatasetNames =>
        TrainingDataset is null ? [Dataset] : [Dataset, TrainingDataset];

    public override IReadOnlyList<VersionInput> TaskVersions => [First, Second];

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        foreach (var task in (VersionInput[])[First, Second])
            TrainedClassifier.ThrowUnlessReads(inputs, task, Dataset, nameof(Dataset));
        LabelledDataset.ThrowUnlessRoom(LabelledDataset.Manifest(inputs, Dataset), MaxTokens, nameof(MaxTokens));
        using var first = TrainedClassifier.Open(inputs, First);
        using var second = TrainedClassifier.Open(inputs, Second);
        SettingException.ThrowUnless(
            MaxTokens <= first.Config.MaxPositions, nameof(MaxTokens), MaxTokens,
            $"3 to {first.Config.MaxPositions}, what the model has positions for");
        if (first.Config != second.Config)
        {
            throw new SettingException(
                nameof(Second),
                $"The models '{First.Model}' and '{Second.Model}' have different shapes; "
                + "there is no path between them.");
        }

        if (first.Pooling != second.Pooling)
        {
            throw new SettingException(
                nameof(Second),
                $"The head of '{First.Task}' sees {first.Pooling}, that of '{Second.Task}' {second.Pooling}; tasks of "
                + "the same pooling are needed.");
        }

        if (first.IsRegression || second.IsRegression)
        {
            throw new SettingException(
                nameof(First), "Regression has no accuracy to follow; choose tasks with labels.");
        }

        if (!first.Labels.Order(StringComparer.Ordinal).SequenceEqual(second.Labels.Order(StringComparer.Ordinal)))
        {
            throw new SettingException(
                nameof(Second),
                $"'{First.Task}' tells {string.Join(", ", first.Labels)} apart, '{Second.Task}' "
                + $"{string.Join(", ", second.Labels)}; the same labels are needed.");
        }

        if (TrainingDataset is not null)
            TrainedClassifier.ThrowUnlessReads(inputs, First, TrainingDataset, nameof(TrainingDataset));
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        using var first = TrainedClassifier.Open(context.Inputs, First);
        using var second = TrainedClassifier.Open(context.Inputs, Second);
        var examples = Examples(first, LabelledDataset.Rows(context.Inputs, Dataset));
        using var connectivity = new ModeConnectivity(
            context.Backend, first.Config, first.Pooling, End(first, first.Labels), End(second, first.Labels));
        var line = connectivity.Scan(examples, Points, context.CancellationToken);
        List<PathPoint>? curve = null;
        if (TrainingDataset is not null)
        {
            List<DatasetRow> rows = [.. LabelledDataset.Rows(context.Inputs, TrainingDataset)];
            connectivity.Bend(
                Examples(first, rows), new(Steps, BatchSize, LearningRate, Seed), context.Observer,
                new RowOrigins(context.Inputs, TrainingDataset, rows).Describe, context.CancellationToken);
            curve = connectivity.Scan(examples, Points, context.CancellationToken);
        }

        var metrics = new Dictionary<string, double>(StringComparer.Ordinal)
        {
            ["line_barrier"] = ModeConnectivity.Barrier(line),
            ["line_accuracy_drop"] = ModeConnectivity.AccuracyDrop(line)
        };
        if (curve is not null)
        {
            metrics["curve_barrier"] = ModeConnectivity.Barrier(curve);
            metrics["curve_accuracy_drop"] = ModeConnectivity.AccuracyDrop(curve);
        }

        context.WriteReport("connectivity.json", Serialize(
            new { First, Second, Dataset, Line = line, Curve = curve, Metrics = metrics }));
        WritePlot(context, "loss", line, curve, point => point.Loss);
        WritePlot(context, "accuracy", line, curve, point => point.Accuracy);
        return new(metrics);
    }

    private void WritePlot(
        RecipeContext context, string what, List<PathPoint> line, List<PathPoint>? curve, Func<PathPoint, double> value)
    {
        var series = new List<PlotSeries> { new("line", [.. line.Select(point => (point.T, value(point)))]) };
        if (curve is not null)
            series.Add(new("Bézier curve", [.. curve.Select(point => (point.T, value(point)))]));
        context.WriteReport(
            $"{what}.svg", SvgPlot.Chart($"From {First.Task} to {Second.Task} on {Dataset}", "t", what, series));
    }

    private List<ClassifierExample> Examples(TrainedClassifier classifier, IEnumerable<DatasetRow> rows) =>
        LabelledDataset.Examples(rows, classifier.Tokenizer, classifier.Labels, MaxTokens);

    /// <summary>An end whose head has the labels in an order.</summary>
    private static PathEnd End(TrainedClassifier classifier, IReadOnlyList<string> labels)
    {
        var hidden = classifier.Config.Hidden;
        var (weight, bias) = classifier.Pack.ReadHead(hidden);
        var order = labels.Select(label => classifier.Labels.ToList().IndexOf(label)).ToList();
        return new(
            classifier, [.. order.SelectMany(i => weight.AsSpan(i * hidden, hidden).ToArray())],
            [.. order.Select(i => bias[i])]);
    }
}
