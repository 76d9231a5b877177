using System.Globalization;
using System.Text.Json;
using Serving.Tables;
using Serving.V1;

namespace Serving.Cli;

/// <summary>How well a task did on a file.</summary>
internal static class Report
{
    /// <param name="reading">How labels of the file are meant, see <see cref="FileLabels"/>.</param>
    /// <exception cref="CommandException">Labels of the file can't be read.</exception>
    public static void Write(
        Output output, string task, IReadOnlyList<InputRow> rows, IReadOnlyList<Classification?> predictions,
        string? reading)
    {
        var values = new Dictionary<string, object> { ["task"] = task, ["texts"] = rows.Count };
        var answered = predictions.OfType<Classification>().ToList();
        if (answered.Count > 0)
            values["version"] = answered[0].Version;
        if (answered.Count > 0 && rows.Any(row => row.Label is not null))
        {
            var labelled = rows.Zip(predictions).Count(pair => pair is ({ Label: not null }, not null));
            if (labelled < rows.Count)
                values["labelled"] = labelled;
            string[] labels = [.. answered[0].Scores.Select(score => score.Label)];
            if (labels.Length == 1)
                AddCorrelation(values, rows, predictions);
            else
                AddMetrics(values, labels, rows, predictions, reading);
        }

        if (output.IsJson)
        {
            output.Line(JsonSerializer.Serialize(values));
            return;
        }

        foreach (var (name, value) in values)
        {
            var shown = value is double number ? number.ToString("F4", CultureInfo.InvariantCulture) : value;
            output.Line(string.Create(CultureInfo.InvariantCulture, $"{name} {shown}"));
        }
    }

    private static void AddMetrics(
        Dictionary<string, object> values, string[] labels, IReadOnlyList<InputRow> rows,
        IReadOnlyList<Classification?> predictions, string? reading)
    {
        var given = FileLabels.Read(labels, [.. rows.Select(row => row.Label)], reading);
        List<(int Right, int Predicted)> pairs =
        [
            .. given.Zip(predictions).Where(pair => pair is (not null, not null))
                .Select(pair => (pair.First!.Value, Array.IndexOf(labels, pair.Second!.Label)))
        ];
        if (pairs.Count == 0)
            return;
        var metrics = ClassificationMetrics.Of(pairs, labels.Length);
        values["accuracy"] = metrics.Accuracy;
        values["macro_f1"] = metrics.MacroF1;
        if (metrics.F1 is { } f1)
            values["f1"] = f1;
        values["matthews"] = metrics.Matthews;
    }

    /// <summary>Of a task that predicts a number.</summary>
    private static void AddCorrelation(
        Dictionary<string, object> values, IReadOnlyList<InputRow> rows, IReadOnlyList<Classification?> predictions)
    {
        var pairs = new List<(double Right, double Predicted)>();
        foreach (var (i, row) in rows.Index())
        {
            if (row.Label is not { } label || predictions[i] is not { } prediction)
                continue;
            if (!LabelNumber.TryParse(label, out var right))
            {
                throw new CommandException(
                    $"Text number {i + 1} has the label '{label}', which is no number; the task predicts numbers, "
                    + "written like 1.5 or -2.");
            }

            pairs.Add((right, prediction.Scores[0].Logit));
        }

        values["pearson"] = Correlation.Pearson(pairs);
    }
}
