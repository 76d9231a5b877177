using System.Globalization;
using Serving.Tables;
using Serving.Training.Analysis;
using Serving.Training.Classification;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>Evaluates a task version on a dataset, with the logits that it is served with.</summary>
[Recipe("evaluation", "analyze evaluate", "Judges a task: accuracy, F1, Matthews, confusion, calibration.")]
public sealed record EvaluationRecipe : Recipe
{
    [Setting("What is judged.", Kind = SettingKind.Task)]
    public required VersionInput Task { get; init; }

    [Setting("What it is judged on; it has labels, all of which the task knows.", Kind = SettingKind.Dataset)]
    public required string Dataset { get; init; }

    [Setting(
        "Tokens of a text, special ones included; longer texts are cut off.", Min = 3, Unit = "tokens",
        Zero = "as many as the model reads")]
    public int MaxTokens { get; init; }

    public override IReadOnlyList<string> Models => [Task.Model];

    public override IReadOnlyList<string> DatasetNames => [Dataset];

    public override IReadOnlyList<VersionInput> TaskVersions => [Task];

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        TrainedClassifier.ThrowUnlessReads(inputs, Task, Dataset, nameof(Dataset));
        if (MaxTokens > 0)
            LabelledDataset.ThrowUnlessRoom(LabelledDataset.Manifest(inputs, Dataset), MaxTokens, nameof(MaxTokens));
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        using var classifier = TrainedClassifier.Open(context.Inputs, Task);
        var rows = LabelledDataset.Rows(context.Inputs, Dataset).ToList();
        var maxTokens =
            MaxTokens == 0 ? classifier.Config.MaxPositions : Math.Min(MaxTokens, classifier.Config.MaxPositions);
        var logits = classifier.Logits(context.Backend, rows, maxTokens, context.CancellationToken);
        var labels = classifier.Labels;
        var report = classifier.IsRegression
            ? EvaluationReport.OfNumbers(
                [.. logits.Select(row => row[0])],
                [.. rows.Select(row => LabelNumber.Parse(row.Label!))])
            : EvaluationReport.OfLabels(logits, [.. rows.Select(row => Index(labels, row.Label!))]);
        context.WriteReport("evaluation.json", Serialize(new { Task, Dataset, Labels = labels, Report = report }));
        if (!classifier.IsRegression)
            WritePlots(context, labels, report);
        return new(report.ToMetrics(classifier.IsRegression));
    }

    private void WritePlots(RecipeContext context, IReadOnlyList<string> labels, EvaluationReport report)
    {
        context.WriteReport("confusion.svg", SvgPlot.Heatmap(
            $"{Task.Task} on {Dataset}: right label (rows) against predicted (columns)",
            labels,
            labels,
            [.. report.Confusion.Select(row => (IReadOnlyList<double>)[.. row.Select(count => (double)count)])],
            "F0"));
        context.WriteReport("calibration.svg", SvgPlot.Chart(
            $"{Task.Task} on {Dataset}: calibration error "
            + $"{report.CalibrationError.ToString("F3", CultureInfo.InvariantCulture)}",
            "confidence",
            "accuracy",
            [
                new("perfect", [(0, 0), (1, 1)]),
                new("measured", [.. report.Calibration.Select(bin => (bin.Confidence, bin.Accuracy))])
            ]));
    }

    private static int Index(IReadOnlyList<string> labels, string label)
    {
        for (var i = 0; i < labels.Count; i++)
        {
            if (labels[i] == label)
                return i;
        }

        throw new ArgumentException($"The label '{label}' is not one of {string.Join(", ", labels)}.");
    }
}
