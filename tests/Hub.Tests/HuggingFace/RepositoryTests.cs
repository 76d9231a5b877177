using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Serving.Models;
using Serving.Models.Safetensors;
using Serving.Storage;

namespace Serving.Hub.Tests.HuggingFace;

/// <summary>What repositories have, who may read them, and hubs that are none.</summary>
public sealed class RepositoryTests
{
    [Fact]
    public async Task Token_GoesToTheHub_AndNowhereElse()
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Options = pull.Options with { Token = "hf_secret" };
        pull.Hub.Instead = context =>
        {
            if (context.Connection.LocalPort != pull.Hub.Address.Port
                || context.Request.Headers.Authorization == "Bearer hf_secret")
                return Task.FromResult(false);
            context.Response.StatusCode = 401;
            return Task.FromResult(true);
        };
        await pull.PullAsync();
        Assert.Contains(pull.Hub.Requests, request => request.Port == pull.Hub.LargeFiles.Port);
        Assert.All(
            pull.Hub.Requests,
            request => Assert.Equal(
                request.Port == pull.Hub.LargeFiles.Port ? "" : "Bearer hf_secret", request.Authorization));
        Assert.DoesNotContain(
            Directory.GetFiles(pull.Root, "*", SearchOption.AllDirectories),
            file => File.ReadAllText(file).Contains("hf_secret", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(401, "RepoNotFound", false, ErrorKind.NotFound, "token")]
    [InlineData(401, "", true, ErrorKind.NotFound, "the account of the server's HF_TOKEN")]
    [InlineData(404, "RevisionNotFound", false, ErrorKind.NotFound, "no revision 'main'")]
    [InlineData(404, "", false, ErrorKind.NotFound, "no model 'owner/tiny-bert'")]
    [InlineData(403, "GatedRepo", false, ErrorKind.FailedPrecondition, "token in HF_TOKEN")]
    [InlineData(403, "", true, ErrorKind.FailedPrecondition, "the account of the server's HF_TOKEN")]
    [InlineData(410, "", false, ErrorKind.FailedPrecondition, "410")]
    public async Task Refusal_SaysWhatToDo(int status, string reason, bool hasToken, ErrorKind kind, string remedy)
    {
        await using var pull = await PullFixture.StartAsync();
        if (hasToken)
            pull.Options = pull.Options with { Token = "hf_secret" };
        pull.Hub.Instead = context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers["X-Error-Code"] = reason;
            return Task.FromResult(true);
        };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(kind, error.Kind);
        Assert.Contains(remedy, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hf_secret", error.Message, StringComparison.Ordinal);
        Assert.Single(pull.Hub.Requests);
        Assert.Empty(pull.Folders());
    }

    /// <summary>
    /// The hub lists what a repository has, and gives its files to those only that were granted access.
    /// </summary>
    [Fact]
    public async Task GatedFiles_SayWhatToDo()
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Hub.Instead = context =>
        {
            if (!context.Request.Path.Value!.Contains("/resolve/", StringComparison.Ordinal))
                return Task.FromResult(false);
            context.Response.StatusCode = 403;
            context.Response.Headers["X-Error-Code"] = "GatedRepo";
            return Task.FromResult(true);
        };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.FailedPrecondition, error.Kind);
        Assert.Contains("HF_TOKEN", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no", "main")]
    [InlineData("owner/no", "main")]
    [InlineData("owner/tiny-bert", "v2")]
    public async Task RepositoryOrRevision_ThatIsNotThere_IsNotFound(string source, string revision)
    {
        await using var pull = await PullFixture.StartAsync();
        var error = await Assert.ThrowsAsync<DomainException>(
            () => pull.PullAsync(source, request => request with { Revision = revision }));
        Assert.Equal(ErrorKind.NotFound, error.Kind);
        Assert.Contains(revision == "main" ? source : revision, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Branch_WithASlash_IsARevision()
    {
        await using var pull = await PullFixture.StartAsync();
        var commit = pull.Hub.Add(PullFixture.Id, PullFixture.Golden, revision: "refs/pr/1");
        var result = await pull.PullAsync(with: request => request with { Revision = "refs/pr/1" });
        Assert.Equal((commit, "refs/pr/1"), (result.Origin.Revision, result.Origin.Requested));
    }

    [Fact]
    public async Task Offline_IsOneSentence_AndNothingIsAsked()
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Options = pull.Options with { IsOffline = true };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.FailedPrecondition, error.Kind);
        Assert.Equal(1, error.Message.Count(c => c == '.') - pull.Hub.Address.Host.Count(c => c == '.'));
        Assert.Empty(pull.Hub.Requests);
        Assert.Empty(pull.Folders());
    }

    [Fact]
    public async Task HubThatIsNotThere_IsOneSentence()
    {
        await using var pull = await PullFixture.StartAsync();
        await pull.Hub.DisposeAsync(); // Nobody listens there any more.
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.Contains($"{pull.Hub.Address.Authority} can't be reached", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Empty(pull.Folders());
    }

    [Fact]
    public async Task Weights_InSeveralFiles_AreFetchedByTheirIndex()
    {
        await using var pull = await PullFixture.StartAsync();
        var files = Sharded(name => name);
        pull.Hub.Add(PullFixture.Id, files);
        await pull.PullAsync();
        Assert.Equal(
            new Models.Bert.BertFolder(PullFixture.Golden).ReadDigest(),
            new Models.Bert.BertFolder(pull.Models.Folder("tiny-bert")).ReadDigest());
    }

    [Theory]
    [InlineData("../evil.safetensors")]
    [InlineData("/evil.safetensors")]
    [InlineData("..\\evil.safetensors")]
    [InlineData("..")]
    [InlineData("not-there.safetensors")]
    public async Task Index_ThatLeavesTheFolder_OrNamesNoFile_IsRefused(string shard)
    {
        await using var pull = await PullFixture.StartAsync();
        var files = Sharded(_ => shard);
        if (shard.Contains("evil", StringComparison.Ordinal))
            files[shard] = [1];
        pull.Hub.Add(PullFixture.Id, files);
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.FailedPrecondition, error.Kind);
        Assert.Contains(shard, error.Message, StringComparison.Ordinal);
        Assert.Empty(pull.Folders());
        Assert.Empty(Directory.GetFiles(pull.At(""), "*evil*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("pytorch_model.bin", "safe_serialization=True")]
    [InlineData("tf_model.h5", "from_tf=True")]
    [InlineData("", "as safetensors is needed")]
    public async Task Weights_ThatAreNotRead_AreRefusedWithTheRemedy(string weights, string remedy)
    {
        await using var pull = await PullFixture.StartAsync();
        var files = PullFixture.GoldenFiles();
        if (weights.Length > 0)
            files[weights] = files[ModelFiles.Weights];
        files.Remove(ModelFiles.Weights);
        pull.Hub.Add(PullFixture.Id, files);
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.FailedPrecondition, error.Kind);
        Assert.Contains(remedy, error.Message, StringComparison.Ordinal);
        Assert.Single(pull.Hub.Requests);
        Assert.Empty(pull.Folders());
    }

    [Theory]
    [InlineData(ModelFiles.Config, "no config.json")]
    [InlineData(ModelFiles.Adapter, "merge_and_unload")]
    public async Task Repository_OfNoModel_IsRefused(string file, string named)
    {
        await using var pull = await PullFixture.StartAsync();
        var files = PullFixture.GoldenFiles();
        if (!files.Remove(file))
            files[file] = "{}"u8.ToArray();
        pull.Hub.Add(PullFixture.Id, files);
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.FailedPrecondition, error.Kind);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.Empty(pull.Folders());
    }

    [Theory]
    [InlineData("<html>Welcome</html>")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"id": "../evil", "sha": "0123456789012345678901234567890123456789", "siblings": []}""")]
    [InlineData("""{"id": "owner/tiny-bert", "sha": "main/../evil", "siblings": []}""")]
    public async Task List_ThatIsNone_IsRefused(string list)
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Hub.List = _ => list;
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.Corrupted, error.Kind);
        Assert.Contains("HF_ENDPOINT", error.Message, StringComparison.Ordinal);
        Assert.Single(pull.Hub.Requests);
        Assert.Empty(pull.Folders());
    }

    [Theory]
    [InlineData("size")]
    [InlineData("blobId")]
    public async Task List_WithoutSizesOrDigests_IsRefused(string field)
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Hub.List = list =>
        {
            var parsed = JsonNode.Parse(list)!;
            foreach (var file in parsed["siblings"]!.AsArray())
                file!.AsObject().Remove(field);
            return parsed.ToJsonString();
        };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.Corrupted, error.Kind);
        Assert.Contains("no size or no digest", error.Message, StringComparison.Ordinal);
        Assert.Empty(pull.Models.Names);
    }

    [Theory]
    [InlineData("/api/models/owner/tiny-bert/revision/main?blobs=true", "redirects more than 10 times")]
    [InlineData("ftp://example.org/", "redirects to ftp://")]
    public async Task Redirects_ThatLeadNowhere_AreRefused(string target, string named)
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Hub.Instead = context =>
        {
            context.Response.Redirect(target);
            return Task.FromResult(true);
        };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.FailedPrecondition, error.Kind);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    /// <summary>The golden model in two files.</summary>
    /// <param name="shard">What the index has for the name of a file.</param>
    private static Dictionary<string, byte[]> Sharded(Func<string, string> shard)
    {
        var files = PullFixture.GoldenFiles();
        files.Remove(ModelFiles.Weights);
        using var weights = WeightFiles.Open(Path.Combine(PullFixture.Golden, ModelFiles.Weights));
        var writers = new[] { new SafetensorsWriter(), new SafetensorsWriter() };
        var map = new JsonObject();
        foreach (var (i, (name, entry)) in weights.Entries.Index())
        {
            var values = new float[entry.Shape.Aggregate(1L, (product, size) => product * size)];
            weights.ReadFloats(name, 0, values);
            writers[i % 2].Add(name, [.. entry.Shape], values);
            map[name] = shard(Name(i % 2));
        }

        foreach (var (i, writer) in writers.Index())
        {
            using var bytes = new MemoryStream();
            writer.Write(bytes);
            files[Name(i)] = bytes.ToArray();
        }

        files[ModelFiles.WeightIndex] = Encoding.UTF8.GetBytes(
            JsonSerializer.Serialize(new JsonObject { ["weight_map"] = map }));
        return files;

        static string Name(int i) => $"model-0000{i + 1}-of-00002.safetensors";
    }
}
