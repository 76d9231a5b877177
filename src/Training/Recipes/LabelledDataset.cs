using System.Globalization;
using Serving.Text;
using Serving.Text.Bert;
using Serving.Training.Classification;
using Serving.Training.Data;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>A dataset as classifiers read it.</summary>
internal static class LabelledDataset
{
    public static DatasetManifest Manifest(IRecipeInputs inputs, string name) =>
        DatasetManifest.Parse(File.ReadAllText(Path.Combine(inputs.DatasetFolder(name), DatasetFolder.ManifestFile)));

    public static List<DatasetRow> Rows(IRecipeInputs inputs, string name) =>
        [.. DatasetFolder.Rows(inputs.DatasetFolder(name))];

    /// <param name="setting">What named the dataset.</param>
    /// <exception cref="SettingException">It has no labels, or unsuitable ones.</exception>
    public static void ThrowUnlessLabelled(DatasetManifest manifest, bool isRegression, string setting)
    {
        if (manifest.Columns.Label is null)
        {
            throw new SettingException(
                setting, $"The dataset '{manifest.Name}' has no labels; upload it with a label column.");
        }

        if (isRegression && !manifest.HasNumbers)
        {
            throw new SettingException(
                "regression", $"Labels of the dataset '{manifest.Name}' are no numbers; regression needs numbers.");
        }

        if (!isRegression && manifest.Labels.Count == 0)
        {
            throw new SettingException(
                setting,
                $"The dataset '{manifest.Name}' has more than {DatasetFolder.MostLabels} labels; "
                + "those are no classes.");
        }
    }

    /// <summary>Tokenizes rows.</summary>
    /// <param name="labels">In the order of the head's outputs, with those of the rows; empty for regression.</param>
    /// <exception cref="ArgumentException">A text can't be tokenized.</exception>
    public static List<ClassifierExample> Examples(
        IEnumerable<DatasetRow> rows, BertTokenizer tokenizer, IReadOnlyList<string> labels, int maxTokens)
    {
        var numbers = labels.Select((label, i) => (label, i)).ToDictionary(
            pair => pair.label, pair => pair.i, StringComparer.Ordinal);
        return [.. rows.Select(row => labels.Count == 0
            ? new ClassifierExample(
                Encode(tokenizer, row, maxTokens), 0, float.Parse(row.Label!, CultureInfo.InvariantCulture))
            : new ClassifierExample(Encode(tokenizer, row, maxTokens), numbers[row.Label!]))];
    }

    public static TokenSequence Encode(BertTokenizer tokenizer, DatasetRow row, int maxTokens)
    {
        try
        {
            return tokenizer.Encode(
                row.Text, row.Pair, maxTokens, row.Pair is null ? Truncation.Right : Truncation.LongestFirst);
        }
        catch (InvalidTextException exception)
        {
            throw new ArgumentException($"A row of the dataset can't be read: {exception.Message}", exception);
        }
    }
}
