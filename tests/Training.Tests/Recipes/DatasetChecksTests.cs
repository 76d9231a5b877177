using Serving.Testing;
using Serving.Training.Classification;
using Serving.Training.Data;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Recipes;

/// <summary>What is known of a dataset before a job, and what becomes of its rows.</summary>
public sealed class DatasetChecksTests : RecipeFixture
{
    private static readonly DatasetColumns Labelled = new("text", Label: "label");

    private static ClassifierRecipe Recipe => Classifier(TrainingMethod.HeadOnly, epochs: 1);

    [Fact]
    public void Regression_OnWhatIsNoNumber_IsRefusedWithIt()
    {
        AddDataset("commas", Labelled, ["one\t2", "two\t1,5", "three\t-0,25"], "text\tlabel");
        Assert.Equal(
            "regression: Row 2 of the dataset 'commas' has the label '1,5', which is no number; regression needs "
            + "numbers, written like 1.5 or -2.",
            Refused(Recipe with { Dataset = "commas", IsRegression = true }));
        Assert.Contains(
            "the label '1,5'",
            Refused(Recipe with { Dataset = "marks", ValidationDataset = "commas", IsRegression = true }),
            StringComparison.Ordinal);
    }

    [SharedFact("cases/e02-decimal-comma.tsv")]
    public void Regression_OnHandedFiles_TakesPointsAlone()
    {
        var columns = new DatasetColumns("text", Label: "score");
        foreach (var name in (string[])["e02-decimal-comma", "e02-decimal-point-twin", "e10-score-thousands"])
            AddDataset(name, columns, SharedFiles.At($"cases/{name}.tsv"), DatasetFormat.Tsv);
        foreach (var (name, label) in ((string, string)[])[
            ("e02-decimal-comma", "1,5"), ("e10-score-thousands", "1,234.5")])
        {
            Assert.False(Manifest(name).HasNumbers);
            Assert.Contains(
                $"the label '{label}'", Refused(Recipe with { Dataset = name, IsRegression = true }),
                StringComparison.Ordinal);
        }

        Assert.True(Manifest("e02-decimal-point-twin").HasNumbers);
        (Recipe with { Dataset = "e02-decimal-point-twin", IsRegression = true }).Validate(this);
    }

    /// <summary>Former releases took such rows in.</summary>
    [Fact]
    public void StoredRow_WithoutAText_IsRefusedWithItsNumber()
    {
        var rows = Path.Combine(DatasetPath("tone"), DatasetFolder.RowsFile);
        File.AppendAllText(rows, "{\"text\":\"\\u200B\",\"label\":\"good\"}\n");
        Assert.Equal(
            "dataset: Row 161 of the dataset 'tone' has no text; upload the dataset without it.", Refused(Recipe));
    }

    [Fact]
    public void LabelOfOneRow_IsLearnedFrom()
    {
        AddDataset(
            "rare", Labelled, Enumerable.Range(0, 20).Select(i => $"number {i}\t{(i % 2 == 0 ? "a" : "b")}")
                .Append("money back\tc"), "text\tlabel");
        foreach (var share in (double[])[0.1, 0.9])
        {
            var (train, validation) = (Recipe with { Dataset = "rare", ValidationShare = share }).Rows(this);
            Assert.Contains(train, row => row.Label == "c");
            Assert.Equal(21, train.Count + validation.Count);
        }

        Assert.Contains("accuracy", Run("job", Recipe with { Dataset = "rare" }).Metrics.Keys);
    }

    [SharedFact("cases/e11-rare-class.tsv")]
    public void HandedFile_WithALabelOfOneRow_IsLearnedFrom()
    {
        AddDataset("e11", Labelled, SharedFiles.At("cases/e11-rare-class.tsv"), DatasetFormat.Tsv);
        Assert.Contains("accuracy", Run("job", Recipe with { Dataset = "e11" }).Metrics.Keys);
    }

    [Fact]
    public void DatasetThatCannotBeSplit_IsRefusedAtSubmission()
    {
        AddDataset("same", Labelled, Enumerable.Range(0, 20).Select(i => $"same text\t{i % 2}"), "text\tlabel");
        Assert.Equal(
            "validation_share: No text of the dataset 'same' can be held out to judge by: equal texts stay together, "
            + "and each label needs one to learn from. Give more texts, or name a validation dataset.",
            Refused(Recipe with { Dataset = "same" }));
        Assert.StartsWith(
            "validation_share: No text of the dataset 'same' can be held out to judge by: equal texts stay together, "
            + "and all are equal.",
            Refused(Recipe with { Dataset = "same", IsRegression = true }), StringComparison.Ordinal);
        (Recipe with { Dataset = "same", ValidationDataset = "same" }).Validate(this);
    }

    [SharedFact("cases/e05-all-texts-equal.tsv")]
    public void HandedFile_OfOneText_IsRefusedAtSubmission()
    {
        AddDataset("e05", Labelled, SharedFiles.At("cases/e05-all-texts-equal.tsv"), DatasetFormat.Tsv);
        Assert.StartsWith("validation_share: ", Refused(Recipe with { Dataset = "e05" }), StringComparison.Ordinal);
    }

    [SharedFact("cases/e03-very-long-text.jsonl")]
    public void HandedFile_WithAVeryLongText_IsLearnedFrom()
    {
        AddDataset("e03", Labelled, SharedFiles.At("cases/e03-very-long-text.jsonl"), DatasetFormat.Jsonl);
        Assert.Contains("accuracy", Run("job", Recipe with { Dataset = "e03" }).Metrics.Keys);
    }

    [Fact]
    public void Incumbent_ThatKnowsNoLabelOfTheDataset_IsRefused()
    {
        var known = Run("first", Recipe);
        AddDataset("others", Labelled, Enumerable.Range(0, 20).Select(i => $"number {i}\t{i % 2}"), "text\tlabel");
        var incumbent = new VersionInput("first", Path.GetFileName(known.TaskVersion!), "backbone");
        Assert.Equal(
            "incumbent: The current version of 'first' can't be compared with: of the labels of the dataset 'others' "
            + "it knows none, but bad, good.",
            Refused(Recipe with { Dataset = "others", Incumbent = incumbent }));
    }

    [Fact]
    public void LongDocument_OfACorpus_IsLearnedFrom()
    {
        var documents = Enumerable.Range(0, 20).Select(i => $"document {i}");
        AddDataset(
            "long", new("1", HasHeader: false), documents.Append(string.Concat(Enumerable.Repeat("a word. ", 40_000))));
        (Pretraining with { Datasets = ["long"] }).Validate(this);
    }

    private string Refused(Recipe recipe) =>
        Assert.Throws<SettingException>(() => recipe.Validate(this)).Message;

    private DatasetManifest Manifest(string name) =>
        DatasetManifest.Parse(File.ReadAllText(Path.Combine(DatasetPath(name), DatasetFolder.ManifestFile)));
}
