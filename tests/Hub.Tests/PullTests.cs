using Serving.Hub.Sources;
using Serving.Models;
using Serving.Storage;
using Serving.Testing;

namespace Serving.Hub.Tests;

/// <summary>What a pull does to the data root.</summary>
public sealed class PullTests
{
    [Fact]
    public async Task Model_IsThereAsAWhole_WithWhatItNeeds_AndACard()
    {
        await using var pull = await PullFixture.StartAsync();
        var files = PullFixture.GoldenFiles();
        foreach (var other in (string[])["pytorch_model.bin", "onnx/model.onnx", "../evil.txt", "/evil.txt", ".git"])
            files[other] = [1];
        files["README.md"] = "# Tiny\n"u8.ToArray();
        var commit = pull.Hub.Add(PullFixture.Id, files);

        var result = await pull.PullAsync(with: request => request with { Load = true });

        Assert.Equal(("tiny-bert", commit, true), (result.Name, result.Origin.Revision, result.IsNew));
        Assert.True(pull.Catalog.Table.Models.ContainsKey("tiny-bert"));
        Assert.Equal(["tiny-bert"], pull.Folders());
        var folder = pull.Models.Folder("tiny-bert");
        Assert.Equal(
            [".origin.json", "MODEL_CARD.md", "README.md", "config.json", "model.safetensors", "vocab.txt"],
            Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        foreach (var file in Directory.GetFiles(PullFixture.Golden))
            Assert.Equal(await File.ReadAllBytesAsync(file), await File.ReadAllBytesAsync(In(folder, file)));
        var card = await File.ReadAllTextAsync(In(folder, "MODEL_CARD.md"));
        Assert.Contains("apache-2.0", card, StringComparison.Ordinal);
        Assert.Contains(commit, card, StringComparison.Ordinal);
        Assert.Contains($"{pull.Hub.Address}owner/tiny-bert", card, StringComparison.Ordinal);
        Assert.Equal(
            [PullPhase.Resolving, PullPhase.Downloading, PullPhase.Checking, PullPhase.Loading],
            pull.Reported.Select(progress => progress.Phase).Distinct());
        var done = pull.Reported.Last(progress => progress.Phase == PullPhase.Downloading);
        Assert.Equal(done.TotalBytes, done.Bytes);
    }

    [Fact]
    public async Task Again_NothingIsDownloaded_AlsoAfterARestart()
    {
        await using var pull = await PullFixture.StartAsync();
        await pull.PullAsync("tiny-bert"); // A former name of the repository.
        var asked = pull.Hub.Requests.Count;

        Assert.False((await pull.PullAsync("tiny-bert")).IsNew);
        pull.Open();
        Assert.False((await pull.PullAsync()).IsNew);
        Assert.All(pull.Hub.Requests.Skip(asked), request => Assert.StartsWith("/api/", request.Path));

        asked = pull.Hub.Requests.Count;
        Assert.False((await pull.PullAsync(with: request => request with { Revision = pull.Commit })).IsNew);
        pull.Options = pull.Options with { IsOffline = true };
        Assert.False((await pull.PullAsync()).IsNew);
        Assert.Equal(asked, pull.Hub.Requests.Count);
    }

    [Fact]
    public async Task Again_AFileThatIsGone_IsNotTakenForThere()
    {
        await using var pull = await PullFixture.StartAsync();
        await pull.PullAsync();
        File.Delete(In(pull.Models.Folder("tiny-bert"), "vocab.txt"));
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.AlreadyExists, error.Kind);
        Assert.True((await pull.PullAsync(with: request => request with { Replace = true })).IsNew);
        Assert.True(File.Exists(In(pull.Models.Folder("tiny-bert"), "vocab.txt")));
    }

    [Fact]
    public async Task NewerRevision_TakesThePlaceIfAsked_OfAModelThatIsNotLoaded()
    {
        await using var pull = await PullFixture.StartAsync();
        await pull.PullAsync();
        var files = PullFixture.GoldenFiles();
        files["README.md"] = "# Changed\n"u8.ToArray();
        var newer = pull.Hub.Add(PullFixture.Id, files);

        var refused = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.AlreadyExists, refused.Kind);
        Assert.Contains(pull.Commit, refused.Message, StringComparison.Ordinal);
        Assert.Contains(newer, refused.Message, StringComparison.Ordinal);

        await pull.Catalog.LoadModelAsync("tiny-bert");
        refused = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync(with: Replaced));
        Assert.Equal(ErrorKind.FailedPrecondition, refused.Kind);
        Assert.DoesNotContain(pull.Hub.Paths, path => path.EndsWith("README.md", StringComparison.Ordinal));

        await pull.Catalog.UnloadModelAsync("tiny-bert", force: false);
        Assert.Equal(newer, (await pull.PullAsync(with: Replaced)).Origin.Revision);
        Assert.Equal(["tiny-bert"], pull.Folders());
        Assert.True(File.Exists(In(pull.Models.Folder("tiny-bert"), "README.md")));
        // The former revision is still there by its branch's former commit, under another name.
        var former = await pull.PullAsync(with: request => request with { Revision = pull.Commit, Name = "former" });
        Assert.Equal((pull.Commit, "former"), (former.Origin.Revision, former.Name));

        static PullRequest Replaced(PullRequest request) => request with { Replace = true };
    }

    [Fact]
    public async Task ReplacementThatWasCutOff_IsUndoneAtTheNextStart()
    {
        await using var pull = await PullFixture.StartAsync();
        await pull.PullAsync();
        Directory.Move(In(pull.Root, "tiny-bert"), In(pull.Root, ".replaced-tiny-bert"));
        pull.Open();
        Assert.Equal(["tiny-bert"], pull.Folders());
        Assert.False((await pull.PullAsync()).IsNew);
    }

    [Fact]
    public async Task ModelOfTheUsers_IsNotReplacedUnasked()
    {
        await using var pull = await PullFixture.StartAsync();
        Directory.CreateDirectory(In(pull.Root, "tiny-bert"));
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal((ErrorKind.AlreadyExists, "tiny-bert"), (error.Kind, error.Subject));
        Assert.Equal("other", (await pull.PullAsync(with: request => request with { Name = "other" })).Name);
    }

    [Fact]
    public async Task SecondPullOfAName_WhileTheFirstRuns_IsRefused()
    {
        await using var pull = await PullFixture.StartAsync();
        var stands = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        pull.Hub.Instead = async _ =>
        {
            stands.TrySetResult();
            await goOn.Task;
            return false;
        };
        var puller = pull.Puller();
        var first = puller.PullAsync(new(PullFixture.Id) { Load = false }, pull, CancellationToken.None);
        await stands.Task.Within();

        var second = await Assert.ThrowsAsync<DomainException>(
            () => puller.PullAsync(new(PullFixture.Id), pull, CancellationToken.None));
        Assert.Equal(ErrorKind.Conflict, second.Kind);
        goOn.SetResult();
        Assert.True((await first.Within()).IsNew);
        Assert.False((await puller.PullAsync(
            new(PullFixture.Id) { Load = false }, pull, CancellationToken.None)).IsNew);
    }

    [Theory]
    [InlineData(Testing.DiskFailures.Refusal.Room)]
    [InlineData(Testing.DiskFailures.Refusal.Access)]
    public async Task Disk_WhateverItRefuses_TheModelIsThereOrNot(Testing.DiskFailures.Refusal refusal)
    {
        await using var pull = await PullFixture.StartAsync();
        for (var allowed = 0; ; allowed++)
        {
            foreach (var folder in Directory.GetDirectories(pull.Root))
                Directory.Delete(folder, recursive: true);
            var disk = new Testing.DiskFailures.FailingFileSystem(refusal, allowed) { IsMended = true };
            pull.Open(disk);
            disk.IsMended = false;
            var refused = await Record.ExceptionAsync(() => pull.PullAsync(files: disk));
            disk.IsMended = true;
            Assert.True(refused is null || DiskFailure.Is(refused), refused?.ToString());
            Assert.DoesNotContain(
                pull.Models.Names,
                name => ModelOrigin.Read(pull.Models.Folder(name))?.IsWhole(In(pull.Root, name)) != true);
            if (refused is not null && refusal == Testing.DiskFailures.Refusal.Room)
                Assert.DoesNotContain(pull.Folders(), folder => folder.StartsWith('.'));
            pull.Open();
            await pull.PullAsync();
            Assert.Equal(["tiny-bert"], pull.Folders());
            Models.Kinds.ModelKinds.Open(pull.Models.Folder("tiny-bert")).ReadDigest();
            if (!disk.HasRefused)
                return;
            Assert.True(allowed < 1000, "The pull never ends.");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("../etc")]
    [InlineData("a/b/c")]
    [InlineData("a//b")]
    [InlineData("/a")]
    [InlineData("a/..")]
    [InlineData("a/.b")]
    [InlineData("a\\b")]
    [InlineData("https://example.org/a/b")]
    [InlineData("a b")]
    [InlineData("a?b")]
    [InlineData("ä")]
    public async Task Source_ThatIsNone_IsRefusedWithoutAsking(string source)
    {
        await using var pull = await PullFixture.StartAsync();
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync(source));
        Assert.Equal((ErrorKind.Invalid, "source"), (error.Kind, error.Field));
        Assert.Empty(pull.Hub.Requests);
        Assert.Empty(pull.Folders());
    }

    [Theory]
    [InlineData("../main")]
    [InlineData("a b")]
    [InlineData("a?b")]
    public async Task Revision_ThatIsNone_IsRefusedWithoutAsking(string revision)
    {
        await using var pull = await PullFixture.StartAsync();
        var error = await Assert.ThrowsAsync<DomainException>(
            () => pull.PullAsync(with: request => request with { Revision = revision }));
        Assert.Equal((ErrorKind.Invalid, "revision"), (error.Kind, error.Field));
        Assert.Empty(pull.Hub.Requests);
    }

    [Fact]
    public async Task Name_ThatIsNone_IsRefusedWithoutAsking()
    {
        await using var pull = await PullFixture.StartAsync();
        var error = await Assert.ThrowsAsync<DomainException>(
            () => pull.PullAsync(with: request => request with { Name = "../other" }));
        Assert.Equal((ErrorKind.Invalid, "model"), (error.Kind, error.Field));
        Assert.Empty(pull.Hub.Requests);
    }

    /// <summary>What can't run here is dropped, and told without the name of a hidden folder.</summary>
    [Theory]
    [InlineData("config.json", "\"gelu\"", "\"relu\"", "hidden_act")]
    [InlineData("config.json", "\"bert\"", "\"mamba\"", "model_type")]
    [InlineData("config.json", "\"hidden_size\"", "\"hidden\"", "hidden")]
    [InlineData("model.safetensors", "encoder.layer.0.output.dense.bias", "encoder.layer.7.output.dense.bias", "7")]
    [InlineData("vocab.txt", "[SEP]", "[XXX]", "[SEP]")]
    public async Task Model_ThatCannotRun_IsRefused_AndNothingStays(
        string file, string before, string after, string named)
    {
        await using var pull = await PullFixture.StartAsync();
        var files = PullFixture.GoldenFiles();
        var text = System.Text.Encoding.Latin1.GetString(files[file]);
        Assert.Contains(before, text, StringComparison.Ordinal);
        files[file] = System.Text.Encoding.Latin1.GetBytes(text.Replace(before, after));
        pull.Hub.Add(PullFixture.Id, files);

        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.FailedPrecondition, error.Kind);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(pull.Root, error.Message, StringComparison.Ordinal);
        Assert.Empty(pull.Folders());
        if (file == ModelFiles.Config)
            Assert.DoesNotContain(pull.Hub.Requests, request => request.Port == pull.Hub.LargeFiles.Port);
    }

    private static string In(string folder, string file) => Path.Combine(folder, Path.GetFileName(file));
}
