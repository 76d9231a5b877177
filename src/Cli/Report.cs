using System.Globalization;
using System.Text.Json;
using Serving.V1;

namespace Serving.Cli;

/// <summary>How well a task did on a file.</summary>
internal static class Report
{
    public static void Write(
        Output output, string task, IReadOnlyList<InputRow> rows, IReadOnlyList<Classification?> predictions)
    {
        var values = new Dictionary<string, object> { ["task"] = task, ["texts"] = rows.Count };
        var answered = predictions.OfType<Classification>().ToList();
        if (answered.Count > 0)
            values["version"] = answered[0].Version;
        if (rows[0].Label is not null && answered.Count > 0)
        {
            string[] labels = [.. answered[0].Scores.Select(score => score.Label)];
            var pairs = new List<(int Right, int Predicted)>();
            for (var i = 0; i < rows.Count; i++)
            {
                if (predictions[i] is { } prediction)
                    pairs.Add((LabelIndex(labels, rows[i].Label!, i), Array.IndexOf(labels, prediction.Label)));
            }

            var metrics = ClassificationMetrics.Of(pairs, labels.Length);
            values["accuracy"] = metrics.Accuracy;
            values["macro_f1"] = metrics.MacroF1;
            if (metrics.F1 is { } f1)
                values["f1"] = f1;
            values["matthews"] = metrics.Matthews;
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

    /// <summary>A label of the file among the task's: by name, or by number from 0.</summary>
    private static int LabelIndex(string[] labels, string label, int row)
    {
        var index = Array.IndexOf(labels, label);
        if (index >= 0)
            return index;
        return int.TryParse(label, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number < labels.Length
            ? number
            : throw new CommandException(
                $"Text number {row + 1} has the label '{label}', which the task does not know; its labels are "
                + $"{string.Join(", ", labels)}, or 0 to {labels.Length - 1}.");
    }
}
