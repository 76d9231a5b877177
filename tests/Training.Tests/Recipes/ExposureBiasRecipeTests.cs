using System.Text.Json;
using Serving.Training.LanguageModels;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Recipes;

/// <summary>Exposure bias as a job.</summary>
public sealed class ExposureBiasRecipeTests : RecipeFixture
{
    private static LanguageModelRecipe Student => new()
    {
        Datasets = ["corpus"],
        HeldOutDocuments = 20,
        VocabularySize = 320,
        Hidden = 32,
        Layers = 1,
        Architecture = Architecture.Lstm,
        SequenceLength = 32,
        Settings = new() { Epochs = 6, BatchSize = 16, LearningRate = 3e-3f, Dropout = 0, Seed = 1 }
    };

    private static ExposureBiasRecipe Recipe => new()
    {
        Model = "student",
        Dataset = "corpus",
        PrefixLengths = [10, 5],
        ContinuationLength = 10,
        MostPrefixes = 25,
        NGram = 2,
        Resamples = 200,
        Seed = 3
    };

    [Fact]
    public void Job_ComparesPrefixes_WithControlsAndIntervals()
    {
        Run("teacher", Student);
        Run("student", Student with { Model = "teacher", Settings = Student.Settings with { Epochs = 1, Seed = 2 } });

        var result = Run("job", Recipe with { Teacher = "teacher" });
        var again = Run("again", Recipe with { Teacher = "teacher" });

        Assert.Equal(result.Metrics, again.Metrics);
        var lengths = Report("job").GetProperty("lengths").EnumerateArray().ToList();
        Assert.Equal([5, 10], lengths.Select(each => each.GetProperty("prefix_length").GetInt32()));
        foreach (var each in lengths)
        {
            Assert.Equal(25, each.GetProperty("prefixes").GetInt32());
            foreach (var measure in (string[])["quality", "diversity", "total_variation", "jensen_shannon"])
            {
                var own = each.GetProperty(measure).GetProperty("own");
                var value = own.GetProperty("value").GetDouble();
                Assert.InRange(value, own.GetProperty("low").GetDouble(), own.GetProperty("high").GetDouble());
                Assert.Equal(result.Metrics[$"{measure}_{each.GetProperty("prefix_length")}"], value);
            }

            // Behind noise the student is farther from its teacher: the measure can see it.
            Assert.True(
                Value(each, "total_variation", "random") > Value(each, "total_variation", "own"), each.GetRawText());
        }

        Assert.Equal(
            ["diversity.svg", "exposure-bias.json", "jensen-shannon.svg", "quality.svg", "total-variation.svg"],
            Directory.GetFiles(Path.Combine(JobFolder("job"), "artifacts")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void TheTeacherItself_IsNowhereFromItself_SoRatiosAreNotDefined()
    {
        Run("student", Student);

        var result = Run("job", Recipe with { Teacher = "student", PrefixLengths = [5], MostPrefixes = 80 });

        Assert.Equal(["diversity_5", "quality_5"], result.Metrics.Keys.Order());
        var variation = Report("job").GetProperty("lengths")[0].GetProperty("total_variation").GetProperty("own");
        Assert.Equal(JsonValueKind.Null, variation.GetProperty("value").ValueKind);
    }

    [Fact]
    public void Recipes_ThatCannotBe_AreRefused()
    {
        Run("student", Student with { Settings = Student.Settings with { Epochs = 1 } });
        Run("other", Student with { VocabularySize = 300, Settings = Student.Settings with { Epochs = 1 } });
        Refused(Recipe with { PrefixLengths = [] }, "prefix_lengths: There is none; give at least one number");
        Refused(
            Recipe with { PrefixLengths = [30] }, "continuation_length: It is 10; it must be 1 to 2, what 'student'");
        Refused(
            Recipe with { PrefixLengths = [5, 32] }, "prefix_lengths: It is up to 32; it must be 1 to 31, so that");
        Refused(
            Recipe with { PrefixLengths = [1], ContinuationLength = int.MaxValue },
            "continuation_length: It is 2147483647; it must be 1 to 31");
        Refused(
            Recipe with { ContinuationLength = 2, NGram = 3 }, "n_gram: It is 3; it must be 1 to 2, the tokens of a");
        Refused(Recipe with { Model = "backbone" }, "'backbone' does not continue text; ");
        Refused(Recipe with { Teacher = "other" }, "teacher: 'other' has other tokens than 'student'");
        var few = Assert.Throws<SettingException>(
            () => Run("job", Recipe with { Dataset = "marks", PrefixLengths = [22] }));
        Assert.Contains("'marks' has 0 texts of 32 tokens or more", few.Message, StringComparison.Ordinal);
    }

    private JsonElement Report(string job)
    {
        using var document = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(JobFolder(job), "artifacts", "exposure-bias.json")));
        return document.RootElement.Clone();
    }

    private static double Value(JsonElement length, string measure, string kind) =>
        length.GetProperty(measure).GetProperty(kind).GetProperty("value").GetDouble();

    private void Refused(ExposureBiasRecipe recipe, string message) => Assert.Contains(
        message, Assert.Throws<SettingException>(() => recipe.Validate(this)).Message, StringComparison.Ordinal);
}
