using Grpc.Core;
using Serving.Models.Gpt2;
using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.TrainingServer;
using Job = Serving.V1.Job;

namespace Serving.Server.Tests;

/// <summary>Language models, through the server.</summary>
public sealed class LanguageModelJobsTests
{
    [Fact]
    public async Task Job_LearnsAModelFolder()
    {
        await using var server = await StartAsync();

        var job = await RunAsync(server, new JobSpec { LanguageModel = Recipe() });

        Assert.True(job.State == JobState.Succeeded, job.Message);
        Assert.Equal(["accuracy", "character_perplexity", "loss", "perplexity"], job.Metrics.Keys.Order());
        var folder = new Gpt2Folder(Path.Combine(server.Data.Path, "jobs", job.Id, "artifacts", "model"));
        Assert.Equal((16, 2, 12), (folder.LoadConfig().Hidden, folder.LoadConfig().Layers, folder.LoadConfig()
            .MaxPositions));
        Assert.Equal("a b", folder.LoadTokenizer().Decode(folder.LoadTokenizer().Encode("a b")));
    }

    [Theory]
    [InlineData(Architecture.Gpt2)]
    [InlineData(Architecture.Lstm)]
    public async Task Model_ThatIsPublished_Writes_IsJudged_AndIsLearnedFromAgain(Architecture architecture)
    {
        await using var server = await StartAsync();
        var spec = new JobSpec { LanguageModel = Recipe(), Publish = new() { Model = "writer" } };
        spec.LanguageModel.Architecture = architecture;

        var job = await RunAsync(server, spec);

        Assert.True(job.State == JobState.Succeeded, job.Message);
        using var call = server.Client.Generator.Generate(new()
        {
            Model = "writer",
            Prompt = "a",
            Sampling = new() { MaxNewTokens = 4, Temperature = 0 }
        });
        var answers = await call.ResponseStream.ReadAllAsync().ToListAsync().AsTask().WaitAsync(Long);
        Assert.InRange(answers[^1].Finished.Answers[0].Tokens, 1, 4);

        var judged = await RunAsync(server, new JobSpec
        {
            TextEvaluation = new()
            {
                Model = "writer",
                Dataset = "letters",
                PrefixLength = 4,
                ContinuationLength = 8,
                MostContinuations = 5,
                TopK = { 3 }
            }
        });
        Assert.True(judged.State == JobState.Succeeded, judged.Message);
        Assert.Equal(["text.json", "text.svg"], judged.Artifacts.Select(artifact => artifact.Name));

        var again = Recipe();
        again.Model = "writer";
        job = await RunAsync(server, new JobSpec { LanguageModel = again });
        Assert.True(job.State == JobState.Succeeded, job.Message);
    }

    [Fact]
    public async Task Recipes_ThatCannotBe_AreRefusedBeforeTheyBegin()
    {
        await using var server = await StartAsync();
        await RefusedAsync("spec.language_model.datasets: There is no text; ", recipe => recipe.Datasets.Clear());
        await RefusedAsync(
            "spec.language_model.tokenization: 9 is unknown; Bpe, WordPiece, Word, Syllable, Character are known.",
            recipe => recipe.Tokenization = (Tokenization)9);
        await RefusedAsync(
            $"spec.language_model.model: '{DataFolder.Model}' does not continue text; ",
            recipe => recipe.Model = DataFolder.Model);
        await RefusedAsync(
            "spec.language_model.hidden_size: It is 16; it must be a multiple of the 3 heads, ",
            recipe => recipe.Heads = 3);

        async Task RefusedAsync(string message, Action<LanguageModelRecipe> change)
        {
            var recipe = Recipe();
            change(recipe);
            var refused = await Refused(() => server.Client.Jobs
                .SubmitJobAsync(new() { Spec = new() { LanguageModel = recipe } }).ResponseAsync);
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            Assert.StartsWith(message, refused.Status.Detail, StringComparison.Ordinal);
        }
    }

    private static LanguageModelRecipe Recipe() => new()
    {
        Datasets = { "letters" },
        HeldOutDocuments = 10,
        Tokenization = Tokenization.Word,
        VocabularySize = 300,
        HiddenSize = 16,
        Layers = 2,
        Heads = 2,
        SequenceLength = 12,
        Epochs = 1,
        BatchSize = 16
    };

    private static async Task<Job> RunAsync(TestServer server, JobSpec spec)
    {
        var job = await server.Client.Jobs.SubmitJobAsync(new() { Spec = spec });
        await WatchAsync(server, job.Id);
        return await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
    }
}
