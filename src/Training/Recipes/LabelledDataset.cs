using Serving.Tables;
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

    public static IEnumerable<DatasetRow> Rows(IRecipeInputs inputs, string name) =>
        DatasetFolder.Rows(inputs.DatasetFolder(name));

    /// <summary>Checks a dataset and each of its rows.</summary>
    /// <param name="setting">What named the dataset.</param>
    /// <exception cref="SettingException">It has no labels, or unsuitable ones, or a row without a text.</exception>
    public static void ThrowUnlessLabelled(IRecipeInputs inputs, string name, bool isRegression, string setting)
    {
        var manifest = Manifest(inputs, name);
        if (manifest.Columns.Label is null)
            throw new SettingException(setting, $"The dataset '{name}' has no labels; upload it with a label column.");
        if (!isRegression && manifest.Labels.Count == 0)
        {
            throw new SettingException(
                setting,
                $"The dataset '{name}' has more than {DatasetFolder.MostLabels} labels; those are no classes.");
        }

        foreach (var (i, row) in Rows(inputs, name).Index())
        {
            if (!TextContent.HasWords(row.Text) || (row.Pair is not null && !TextContent.HasWords(row.Pair)))
            {
                throw new SettingException(
                    setting, $"Row {i + 1} of the dataset '{name}' has no text; upload the dataset without it.");
            }

            if (isRegression && !LabelNumber.TryParse(row.Label!, out _))
            {
                throw new SettingException(
                    "regression",
                    $"Row {i + 1} of the dataset '{name}' has the label '{row.Label}', which is no number; "
                    + "regression needs numbers, written like 1.5 or -2.");
            }
        }
    }

    /// <summary>Checks that something of both texts of a pair is read.</summary>
    /// <param name="setting">What said how many tokens are read.</param>
    /// <exception cref="SettingException">It is not.</exception>
    public static void ThrowUnlessRoom(DatasetManifest manifest, int maxTokens, string setting)
    {
        if (manifest.Columns.Pair is null)
            return;
        SettingException.ThrowUnless(
            maxTokens >= BertTokenizer.FewestPairTokens, setting, maxTokens,
            $"{BertTokenizer.FewestPairTokens} or more for pairs of texts: one of each, and three special ones");
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
            ? new ClassifierExample(Encode(tokenizer, row, maxTokens), 0, LabelNumber.Parse(row.Label!))
            : new ClassifierExample(Encode(tokenizer, row, maxTokens), numbers[row.Label!]))];
    }

    /// <summary>Tokenizes a row; what is too long is cut off.</summary>
    /// <exception cref="ArgumentException">A text can't be tokenized.</exception>
    public static TokenSequence Encode(BertTokenizer tokenizer, DatasetRow row, int maxTokens)
    {
        try
        {
            return tokenizer.Encode(
                Beginning(row.Text), row.Pair is null ? null : Beginning(row.Pair), maxTokens,
                row.Pair is null ? Truncation.Right : Truncation.LongestFirst);
        }
        catch (InvalidTextException exception)
        {
            const int most = 40;
            var shown = row.Text.Length <= most ? row.Text : row.Text[..most] + "...";
            throw new ArgumentException(
                $"The row '{shown}' of the dataset can't be read: {exception.Message}", exception);
        }
    }

    /// <summary>As much of a text as the tokenizer takes, from where it has words: more than any model reads.</summary>
    private static string Beginning(string text)
    {
        const int most = BertTokenizer.MaxTextLength;
        if (text.Length <= most)
            return text;
        var rest = text.AsSpan();
        while (rest.Length > most && !TextContent.HasWords(rest[..most]))
            rest = rest[most..];
        rest = rest[..Math.Min(most, rest.Length)];
        if (char.IsLowSurrogate(rest[0]))
            rest = rest[1..];
        return (char.IsHighSurrogate(rest[^1]) ? rest[..^1] : rest).ToString();
    }
}
