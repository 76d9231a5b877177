using Grpc.Core;
using Serving.V1;
using static Serving.Server.Tests.TrainingServer;
using Job = Serving.V1.Job;

namespace Serving.Server.Tests;

/// <summary>Pretraining with objectives beside masked language modelling, through the server.</summary>
public sealed class PretrainingJobsTests
{
    [Fact]
    public async Task Objectives_AreLearnedInEachCombination()
    {
        await using var server = await StartAsync();
        await UploadAsync(server, "stories", Enumerable.Range(0, 60).Select(
            i => $"{Letters(i)} . {Letters(i + 1)} . {Letters(i + 2)} .\tnone"));
        foreach (var combination in Enum.GetValues<Combination>())
        {
            var recipe = Recipe("stories", Objective.SentenceOrder, Objective.TermImportance);
            recipe.Combination = combination;
            var job = await RunAsync(server, recipe);
            Assert.True(job.State == JobState.Succeeded, $"{combination}: {job.Message}");
            Assert.Equal(
                ["loss", "masked_accuracy", "so_accuracy", "so_loss", "so_majority", "tf_idf_loss", "tf_idf_r2"],
                job.Metrics.Keys.Order());
        }

        var control = Recipe("stories", Objective.SentenceOrder, Objective.TermImportance);
        control.Control = true;
        Assert.Equal(["loss", "masked_accuracy"], (await RunAsync(server, control)).Metrics.Keys.Order());
    }

    [Fact]
    public async Task Recipes_ThatCannotBe_AreRefusedBeforeTheyBegin()
    {
        await using var server = await StartAsync();
        await RefusedAsync(
            "spec.pretraining.objectives[0]: 99 is unknown; NextSentence, ",
            recipe => recipe.Objectives.Add((Objective)99));
        await RefusedAsync(
            "spec.pretraining.objectives[0]: 0 is unknown; ", recipe => recipe.Objectives.Add(Objective.Unspecified));
        await RefusedAsync(
            "spec.pretraining.combination: 7 is unknown; Sum, ", recipe => recipe.Combination = (Combination)7);
        await RefusedAsync("spec.pretraining.objectives: so, qt compare sentences, and no document of the corpus has "
            + "two; ", recipe => recipe.Objectives.AddRange([Objective.SentenceOrder, Objective.QuickThoughts]));
        await RefusedAsync(
            "spec.pretraining.vocabulary_size: It is 99; it must be 100 to 65536.",
            recipe => recipe.VocabularySize = 99);
        await RefusedAsync(
            "spec.pretraining.vocabulary_size: It is 2000000000; it must be 100 to 65536.",
            recipe => recipe.VocabularySize = 2_000_000_000);
        await RefusedAsync(
            "spec.pretraining.short_sequences: It is 1.5; it must be 0 to 1.",
            recipe => recipe.ShortSequences = 1.5);
        await RefusedAsync("spec.pretraining.datasets: There is no corpus; ", recipe => recipe.Datasets.Clear());
        await RefusedAsync(
            "spec.pretraining.held_out_documents: The corpus has no more than 90 documents",
            recipe => recipe.HeldOutDocuments = 90);

        var small = Recipe("letters");
        small.BatchSize = 1000;
        var job = await RunAsync(server, small);
        Assert.Equal(JobState.Failed, job.State);
        Assert.Matches(
            @"^batch_size: The corpus has \d+ sequences, less than one batch of 1000; give more text, or choose a "
            + @"smaller batch\.$",
            job.Message);

        async Task RefusedAsync(string message, Action<PretrainingRecipe> change)
        {
            var recipe = Recipe("letters");
            change(recipe);
            var refused = await Refused(
                () => server.Client.Jobs.SubmitJobAsync(new() { Spec = new() { Pretraining = recipe } }).ResponseAsync);
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            Assert.StartsWith(message, refused.Status.Detail, StringComparison.Ordinal);
        }
    }

    private static PretrainingRecipe Recipe(string dataset, params Objective[] objectives) => new()
    {
        Datasets = { dataset },
        HiddenSize = 32,
        Layers = 2,
        Heads = 2,
        MaxPositions = 48,
        VocabularySize = 100,
        SequenceLength = 48,
        HeldOutDocuments = 10,
        Steps = 6,
        BatchSize = 8,
        Objectives = { objectives }
    };

    private static async Task<Job> RunAsync(TestServer server, PretrainingRecipe recipe)
    {
        var job = await server.Client.Jobs.SubmitJobAsync(new() { Spec = new() { Pretraining = recipe } });
        await WatchAsync(server, job.Id);
        return await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
    }
}
