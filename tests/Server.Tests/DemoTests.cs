using Serving.Catalog.Stored;
using Serving.Client;
using Serving.Storage;
using Serving.Testing;

namespace Serving.Server.Tests;

/// <summary>
/// What the product ships: an empty data root begins with it, and it answers what a newcomer would ask.
/// </summary>
public sealed class DemoTests(DemoTests.DemoServer demo) : IClassFixture<DemoTests.DemoServer>
{
    [Theory]
    [InlineData("sentiment", "what a charming and often moving film", "positive")]
    [InlineData("sentiment", "the best movie i have seen in years", "positive")]
    [InlineData("sentiment", "I loved every minute of it!", "positive")]
    [InlineData("sentiment", "a funny, warm and wonderful story", "positive")]
    [InlineData("sentiment", "dull, lifeless and far too long", "negative")]
    [InlineData("sentiment", "a complete waste of time", "negative")]
    [InlineData("sentiment", "The acting is terrible and the plot makes no sense.", "negative")]
    [InlineData("sentiment", "i was bored to tears", "negative")]
    [InlineData(
        "review",
        "One of the finest films I have ever seen. The cast is superb, the story moved me to tears. I recommend it to "
        + "everybody.",
        "positive")]
    [InlineData(
        "review",
        "I wanted to like this movie but it is awful. The script is stupid, the acting is wooden. Avoid it at all "
        + "costs.",
        "negative")]
    [InlineData("question", "Who wrote Hamlet ?", "human")]
    [InlineData("question", "Where is the Eiffel Tower ?", "location")]
    [InlineData("question", "How many people live in China ?", "number")]
    [InlineData("question", "When did the war end ?", "number")]
    [InlineData("question", "What does NASA stand for ?", "abbreviation")]
    [InlineData("question", "Why is the sky blue ?", "description")]
    public async Task Tasks_AnswerSensibly(string task, string text, string label)
    {
        var answer = (await demo.Client.ClassifyAsync([text], [task])).Results[0].Classifications[0];
        Assert.True(answer.Label == label, $"{answer}");
    }

    [Fact]
    public async Task EmptyDataRoot_BeginsWithTheDemo_WhichIsItsOwnThen()
    {
        var models = (await demo.Client.Models.ListModelsAsync(new())).Models;
        Assert.Equal(("mini", true), (models.Single().Name, models.Single().Loaded));
        var tasks = await demo.Client.ListTasksAsync().ToListAsync();
        Assert.Equal(["question", "review", "sentiment"], tasks.Select(task => task.Name).Order());
        Assert.All(tasks, task => Assert.Single(task.Aliases));

        // Many tasks on one text, by one call.
        var all = (await demo.Client.ClassifyAsync(["Who is this wonderful actor ?"], ["question", "sentiment"]))
            .Results[0].Classifications;
        Assert.Equal(["human", "positive"], all.Select(answer => answer.Label));
    }

    [Fact]
    public void DataRoot_WithModels_IsLeftAlone()
    {
        using var folder = new TemporaryFolder();
        var shipped = Fake(folder);
        Directory.CreateDirectory(folder.At("data/models"));
        Assert.False(Demo.CopyInto(folder.At("data"), shipped, DiskFileSystem.Instance));
        Assert.Empty(Directory.GetFileSystemEntries(folder.At("data/models")));
        Assert.False(Demo.CopyInto(folder.At("other"), folder.At("no-demo"), DiskFileSystem.Instance));
        Assert.False(Directory.Exists(folder.At("other")));
    }

    /// <summary>
    /// Whatever was there when it was killed, the next start ends with the same files; a task that is there stays.
    /// </summary>
    [Fact]
    public void Copy_ThatWasKilled_IsDoneAgain()
    {
        using var folder = new TemporaryFolder();
        var shipped = Fake(folder);
        var root = folder.At("data");
        Directory.CreateDirectory(Path.Combine(root, ".demo-killed"));
        Directory.CreateDirectory(Path.Combine(root, "tasks", "b"));
        File.WriteAllText(Path.Combine(root, "tasks", "b", "aliases.json"), "own");

        Assert.True(Demo.CopyInto(root, shipped, DiskFileSystem.Instance));
        Assert.False(Demo.CopyInto(root, shipped, DiskFileSystem.Instance));

        Assert.Equal(
            ["models/m/config.json", "tasks/a/1/task.json", "tasks/b/aliases.json"],
            Directory.GetFiles(root, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(root, file))
                .Order());
        Assert.Equal("own", File.ReadAllText(Path.Combine(root, "tasks", "b", "aliases.json")));
        Assert.Empty(Directory.GetDirectories(root, ".*"));
    }

    private static string Fake(TemporaryFolder folder)
    {
        var shipped = folder.At("demo");
        foreach (var file in (string[])["models/m/config.json", "tasks/a/1/task.json", "tasks/b/aliases.json"])
        {
            var path = Path.Combine(shipped, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "shipped");
        }

        return shipped;
    }

    /// <summary>One server for all of them.</summary>
    public sealed class DemoServer : IAsyncLifetime
    {
        private TestServer? _server;

        public ServingClient Client => _server!.Client;

        public async Task InitializeAsync() => _server = await TestServer.RestartAsync(new DataFolder(isEmpty: true));

        public Task DisposeAsync() => _server!.DisposeAsync().AsTask();
    }
}
