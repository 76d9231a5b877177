using System.Text.Json;
using Serving.Models.Gpt2;
using Serving.Training.LanguageModels;
using Serving.Training.Recipes;
using Serving.Training.Settings;
using Serving.Training.TextMetrics;

namespace Serving.Training.Tests.Recipes;

public sealed class TextEvaluationTests : RecipeFixture
{
    private static TextEvaluationRecipe Recipe => new()
    {
        Model = "lm",
        Dataset = "tone-dev",
        PrefixLength = 4,
        ContinuationLength = 28,
        MostContinuations = 20,
        Temperatures = [1, 0.5],
        TopK = [5],
        Seed = 3
    };

    [Fact]
    public void Evaluation_ComparesMethods_WithTheTextItself()
    {
        Run("lm", new LanguageModelRecipe
        {
            Datasets = ["corpus"],
            HeldOutDocuments = 20,
            VocabularySize = 320,
            Hidden = 32,
            Layers = 2,
            Heads = 2,
            SequenceLength = 32,
            Settings = new() { Epochs = 8, BatchSize = 16, LearningRate = 3e-3f, Dropout = 0, Seed = 1 }
        });

        var result = Run("job", Recipe);

        var methods = Report("job").GetProperty("methods").EnumerateArray().ToDictionary(
            each => each.GetProperty("method").GetString()!);
        Assert.Equal(
            [
                "text", "greedy", "sampling", "top-k 5", "top-p 0.95", "temperature 0.5", "temperature 0.5, top-k 5",
                "temperature 0.5, top-p 0.95"
            ],
            methods.Keys);
        double Number(string method, string name) => methods[method].GetProperty(name).GetDouble();
        Assert.True(Number("greedy", "perplexity") < Number("temperature 0.5", "perplexity"));
        Assert.True(Number("temperature 0.5", "perplexity") < Number("sampling", "perplexity"));
        Assert.True(Number("top-k 5", "perplexity") < Number("sampling", "perplexity"));
        Assert.True(Number("greedy", "self_bleu") > Number("sampling", "self_bleu"));
        Assert.True(Number("greedy", "unique") < Number("sampling", "unique"));
        Assert.Equal(
            result.Metrics["greedy_seq_rep_4"], methods["greedy"].GetProperty("sequence_repetition")[3].GetDouble());

        var tokenizer = new Gpt2Folder(ModelFolder("lm")).LoadTokenizer();
        int[] stream =
        [
            tokenizer.Vocabulary.Count - 1,
            .. CorpusRows.Read(this, ["tone-dev"]).SelectMany(
                row => tokenizer.Encode(row.Text).Append(tokenizer.Vocabulary.Count - 1))
        ];
        var pieces = stream.Length / 32;
        var texts = Enumerable.Range(0, 20).Select(
            i => (ReadOnlyMemory<int>)stream.AsMemory((i * pieces / 20 * 32) + 4, 28)).ToList();
        Assert.Equal(
            texts.Average(text => Repetition.SequenceRate(text, 4)), result.Metrics["text_seq_rep_4"], 1e-12);
        Assert.Equal(Diversity.Distinct(texts, 2), methods["text"].GetProperty("distinct")[1].GetDouble(), 1e-12);

        Run("again", Recipe);
        Assert.Equal(Report("job").GetRawText(), Report("again").GetRawText());
        Run("other", Recipe with { Seed = 4 });
        Assert.NotEqual(Report("job").GetRawText(), Report("other").GetRawText());
        Refused(
            Recipe with { ContinuationLength = 29 }, "continuation_length: It is 29; it must be 1 to 28, what 'lm'");
        Refused(Recipe with { Model = "backbone" }, "model: 'backbone' does not continue text;");
        Refused(Recipe with { TopP = [1.5] }, "top_p: It is 1.5; it must be above 0 and below 1 each.");
    }

    private JsonElement Report(string job) => JsonDocument.Parse(
        File.ReadAllText(Path.Combine(JobFolder(job), "artifacts", "text.json"))).RootElement;

    private void Refused(TextEvaluationRecipe recipe, string message) => Assert.Contains(
        message, Assert.Throws<SettingException>(() => recipe.Validate(this)).Message, StringComparison.Ordinal);
}
