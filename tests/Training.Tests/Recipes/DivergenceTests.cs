using Serving.Training.Classification;
using Serving.Training.Data;
using Serving.Training.Optimization;
using Serving.Training.Recipes;

namespace Serving.Training.Tests.Recipes;

/// <summary>Jobs whose loss is no number, or jumps: they name the rows, as files and lines.</summary>
public sealed class DivergenceTests : RecipeFixture
{
    private const int Rows = 40;
    private const int Odd = 17;

    [Fact]
    public void Job_WithATargetThatNoLossCanTake_NamesStepRowsAndTensors()
    {
        AddMarks("marks-broken", odd: "3e38");
        var diverged = Assert.Throws<DivergedException>(() => Run("job", Regression("marks-broken")));
        Assert.Matches(
            @"^The (loss is (Infinity|NaN)|gradient of '[^']+' is no finite number) at step \d+\. Its batch: ",
            diverged.Message);
        Assert.Contains(" of rows.jsonl of the dataset 'marks-broken'. The largest gradients: ", diverged.Message,
            StringComparison.Ordinal);
        Assert.Contains(Odd, Lines(diverged.Message));
        Assert.DoesNotContain("Lower the learning rate", diverged.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Job_WithOneOddTarget_LeavesAWarningThatNamesItsRow_AndGoesOn()
    {
        AddMarks("marks-odd", odd: "5000");
        var warnings = new List<string>();
        Regression("marks-odd").Run(Context("job", () => { }, warnings.Add));
        Assert.NotEmpty(warnings);
        Assert.All(warnings, warning => Assert.Contains(Odd, Lines(warning)));
        Assert.All(warnings, warning => Assert.StartsWith(
            "The loss jumps from about ", warning, StringComparison.Ordinal));
    }

    private static ClassifierRecipe Regression(string dataset) =>
        Classifier(TrainingMethod.HeadOnly, epochs: 4) with
        {
            Dataset = dataset,
            IsRegression = true,
            ValidationDataset = "marks",
            Settings = Classifier(TrainingMethod.HeadOnly, epochs: 4).Settings with { BatchSize = 4 }
        };

    private void AddMarks(string name, string odd) => AddDataset(
        name,
        new("text", Label: "mark"),
        Enumerable.Range(1, Rows).Select(line =>
            $"a film of number {line}\t{(line == Odd ? odd : line % 2 == 0 ? "1" : "2")}"),
        "text\tmark");

    private static IEnumerable<int> Lines(string message)
    {
        var list = message.Split("Its batch: ")[1].Split(" of rows.jsonl")[0]["lines ".Length..];
        return list.Split(", ").Select(int.Parse);
    }
}
