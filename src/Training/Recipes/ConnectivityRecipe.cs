using Serving.Training.Analysis;
using Serving.Training.Classification;
using Serving.Training.Data;

namespace Serving.Training.Recipes;

/// <summary>Whether a path of low loss connects two classifiers for one task (Zhao et al. 2020, sec. 6).</summary>
public sealed record ConnectivityRecipe : Recipe
{
    /// <summary>Its model must have the shape of the other's; often trained by masks.</summary>
    public required TaskInput First { get; init; }

    /// <summary>Often with all weights trained.</summary>
    public required TaskInput Second { get; init; }

    /// <summary>What losses are measured on.</summary>
    public required string Dataset { get; init; }

    /// <summary>What a curve is learned from; null for the line alone.</summary>
    public string? TrainingDataset { get; init; }

    /// <summary>Points of a path, ends included, 3 to 101.</summary>
    public int Points { get; init; } = 11;

    /// <summary>Longer texts are cut off.</summary>
    public int MaxTokens { get; init; } = 128;

    /// <summary>Of learning the curve, 1 to 100000.</summary>
    public int Steps { get; init; } = 200;

    /// <summary>1 to 4096.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Above 0, at most 1.</summary>
    public float LearningRate { get; init; } = 1e-4f;

    /// <summary>Everything random follows from it.</summary>
    public ulong Seed { get; init; }

    public override IReadOnlyList<string> Models => [First.Model, Second.Model];

    public override IReadOnlyList<string> DatasetNames =>
        TrainingDataset is null ? [Dataset] : [Dataset, TrainingDataset];

    public override IReadOnlyList<TaskInput> TaskVersions => [First, Second];

    public override void Validate(IRecipeInputs inputs)
    {
        Range.Require(Points is >= 3 and <= 101, nameof(Points), Points, "3 to 101");
        Range.Require(Steps is >= 1 and <= 100_000, nameof(Steps), Steps, "1 to 100000");
        Range.Require(BatchSize is >= 1 and <= 4096, nameof(BatchSize), BatchSize, "1 to 4096");
        Range.Require(LearningRate is > 0 and <= 1, nameof(LearningRate), LearningRate, "above 0, at most 1");
        using var first = TrainedClassifier.Open(inputs, First);
        using var second = TrainedClassifier.Open(inputs, Second);
        Range.Require(
            MaxTokens >= 3 && MaxTokens <= first.Config.MaxPositions, nameof(MaxTokens), MaxTokens,
            $"3 to {first.Config.MaxPositions}, what the model has positions for");
        if (first.Config != second.Config)
        {
            throw new SettingException(
                nameof(Second),
                $"The models '{First.Model}' and '{Second.Model}' have different shapes; "
                + "there is no path between them.");
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

        TrainedClassifier.ThrowUnlessReads(inputs, First, Dataset, nameof(Dataset));
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
            context.Backend, first.Config, End(first, first.Labels), End(second, first.Labels));
        var line = connectivity.Scan(examples, Points, context.CancellationToken);
        List<PathPoint>? curve = null;
        if (TrainingDataset is not null)
        {
            var training = Examples(first, LabelledDataset.Rows(context.Inputs, TrainingDataset));
            connectivity.Bend(
                training, new(Steps, BatchSize, LearningRate, Seed), context.Observer, context.CancellationToken);
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
