using Google.Protobuf;
using Grpc.Core;
using Serving.Client;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

/// <summary>Models that are uploaded and deleted: there as a whole, or not at all.</summary>
public sealed class ImportModelTests : IDisposable
{
    private const string New = "new";

    private readonly DataFolder _elsewhere = new(isEmpty: true);
    private readonly string _folder;
    private readonly string _version;

    /// <summary>Puts a model and a version for it where the server knows nothing of.</summary>
    public ImportModelTests()
    {
        _version = _elsewhere.AddModel(New, seed: 5);
        _folder = Path.Combine(_elsewhere.Path, "models", New);
    }

    public void Dispose() => _elsewhere.Dispose();

    [Fact]
    public async Task Import_AFolder_ServesIt()
    {
        await using var server = await TestServer.StartAsync();

        var model = await server.Client.ImportModelAsync(new() { Model = New }, _folder);

        Assert.True(model.Loaded, model.Problem);
        await server.Client.ImportTaskAsync("of-new", _version, alias: "production");
        var response = await server.Client.ClassifyAsync(["a b"], ["of-new"]);
        Assert.Equal(2, response.Results[0].Classifications[0].Scores.Count);
        AssertNothingIsLeft(server);
    }

    [Fact]
    public async Task Import_AnOnnxExport_IsAFolderOfHuggingFace()
    {
        await using var server = await TestServer.StartAsync();
        var export = Directory.CreateDirectory(_elsewhere.At("export")).FullName;
        File.Copy(
            Path.Combine(AppContext.BaseDirectory, "exports", "opset13.onnx"), Path.Combine(export, "model.onnx"));
        await File.WriteAllLinesAsync(
            Path.Combine(export, "vocab.txt"), ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]);

        var model = await server.Client.ImportModelAsync(new() { Model = New }, export);

        Assert.True(model.Loaded, model.Problem);
        Assert.Equal((2, 8, 2, 24), (model.Layers, model.Hidden, model.Heads, model.Vocabulary));
        Assert.Equal(
            ["config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"],
            Directory.GetFiles(Path.Combine(Models(server), New)).Select(Path.GetFileName).Order());
        AssertNothingIsLeft(server);
    }

    [Fact]
    public async Task Import_AFormOverHttp_ServesIt()
    {
        await using var server = await TestServer.StartAsync();
        using var form = new MultipartFormDataContent();
        foreach (var file in Directory.GetFiles(_folder))
            form.Add(new ByteArrayContent(await File.ReadAllBytesAsync(file)), "file", Path.GetFileName(file));
        using var http = new HttpClient { BaseAddress = new($"http://localhost:{server.HttpPort}") };

        using var response = await http.PostAsync($"/v1/models/{New}/files?no_load=true", form);
        using var deleted = await http.DeleteAsync($"/v1/models/{New}");

        Assert.Contains($"\"name\":\"{New}\"", (await response.Content.ReadAsStringAsync()).Replace(" ", ""));
        Assert.True(response.IsSuccessStatusCode);
        Assert.Contains("freedFileBytes", await deleted.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        AssertNothingIsLeft(server);
    }

    [Theory]
    [InlineData("../config.json", "is no name of a file")]
    [InlineData("..", "is no name of a file")]
    [InlineData("a/config.json", "is no name of a file")]
    [InlineData("a\\config.json", "is no name of a file")]
    [InlineData("/etc/config.json", "is no name of a file")]
    [InlineData(".config.json", "is no name of a file")]
    [InlineData("", "is no name of a file")]
    [InlineData("pytorch_model.bin", "is no file of a model that is read")]
    public async Task Import_ANameThatIsNone_IsRefused(string name, string reason)
    {
        await using var server = await TestServer.StartAsync();

        var exception = await RefuseAsync(server, [(name, "{}")]);

        Assert.Equal(StatusCode.InvalidArgument, exception.StatusCode);
        Assert.Contains(reason, exception.Status.Detail, StringComparison.Ordinal);
        AssertNothingIsLeft(server);
    }

    [Fact]
    public async Task Import_AFileTwice_IsRefused()
    {
        await using var server = await TestServer.StartAsync();

        var exception = await RefuseAsync(server, [("config.json", "{}"), ("vocab.txt", "a"), ("CONFIG.json", "{}")]);

        Assert.Contains("comes a second time", exception.Status.Detail, StringComparison.Ordinal);
        AssertNothingIsLeft(server);
    }

    [Fact]
    public async Task Import_NoModel_SaysWhatIsMissing()
    {
        await using var server = await TestServer.StartAsync();

        var exception = await RefuseAsync(server, [("config.json", "{\"model_type\": \"mamba\"}")]);

        Assert.Equal(StatusCode.InvalidArgument, exception.StatusCode);
        Assert.Contains("config.json: model_type", exception.Status.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(server.Data.Path, exception.Status.Detail, StringComparison.Ordinal);
        AssertNothingIsLeft(server);
    }

    [Fact]
    public async Task Import_TooLarge_NamesTheSetting()
    {
        await using var server = await TestServer.RestartAsync(new DataFolder(), "--Server:MaxModelBytes=1000");

        var exception = await Assert.ThrowsAsync<RpcException>(
            () => server.Client.ImportModelAsync(new() { Model = New }, _folder));

        Assert.Contains("Server:MaxModelBytes", exception.Status.Detail, StringComparison.Ordinal);
        AssertNothingIsLeft(server);
    }

    [Fact]
    public async Task Import_BrokenOff_LeavesNothing()
    {
        await using var server = await TestServer.StartAsync();
        using (var call = server.Client.Models.ImportModel())
        {
            await call.RequestStream.WriteAsync(new() { Header = new() { Model = New } });
            await call.RequestStream.WriteAsync(Chunk("model.safetensors", "half"));
            await Eventually.TrueAsync(() => Hidden(server).Length > 0, "the upload has begun");
        }

        await Eventually.TrueAsync(() => Hidden(server).Length == 0, "what was sent is gone");
        AssertNothingIsLeft(server);
    }

    [Fact]
    public async Task Import_UnderANameThatIsTaken_NeedsReplaceAndAnUnloadedModel()
    {
        await using var server = await TestServer.StartAsync();
        var header = new ImportModelHeader { Model = New, NoLoad = true };
        await server.Client.ImportModelAsync(header, _folder);

        var taken = await Assert.ThrowsAsync<RpcException>(
            () => server.Client.ImportModelAsync(header, _folder));
        header.Replace = true;
        var replaced = await server.Client.ImportModelAsync(header, _folder);
        await server.Client.Models.LoadModelAsync(new() { Model = New });
        var loaded = await Assert.ThrowsAsync<RpcException>(
            () => server.Client.ImportModelAsync(header, _folder));

        Assert.Equal(StatusCode.AlreadyExists, taken.StatusCode);
        Assert.False(replaced.Loaded);
        Assert.Equal(StatusCode.FailedPrecondition, loaded.StatusCode);
        Assert.Contains("unload it first", loaded.Status.Detail, StringComparison.Ordinal);
        AssertNothingIsLeft(server);
    }

    [Fact]
    public async Task Delete_ALoadedModelOrOneOfTasks_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        var request = new DeleteModelRequest { Model = DataFolder.Model };

        var loaded = await DeleteRefusedAsync(server, request);
        await server.Client.Models.UnloadModelAsync(new() { Model = DataFolder.Model, Force = true });
        var needed = await DeleteRefusedAsync(server, request);
        request.Force = true;
        var response = await server.Client.Models.DeleteModelAsync(request);
        request.Model = "no-such";
        var missing = await DeleteRefusedAsync(server, request);

        Assert.Contains("unload it first", loaded.Status.Detail, StringComparison.Ordinal);
        Assert.Contains(
            $"2 tasks are for the model '{DataFolder.Model}' (t, u)", needed.Status.Detail, StringComparison.Ordinal);
        Assert.True(response.FreedFileBytes > 1000);
        Assert.Equal(StatusCode.NotFound, missing.StatusCode);
        Assert.Empty((await server.Client.Models.ListModelsAsync(new())).Models);
        AssertNothingIsLeft(server);
    }

    [Fact]
    public async Task Start_AfterAnImportThatEndedWithTheServer_RemovesWhatIsLeft()
    {
        var data = new DataFolder();
        var left = Directory.CreateDirectory(Path.Combine(data.Path, "models", ".adding-of-before", "received"));
        await File.WriteAllTextAsync(Path.Combine(left.FullName, "model.safetensors"), "half");

        await using var server = await TestServer.RestartAsync(data);

        AssertNothingIsLeft(server);
    }

    private static async Task<RpcException> DeleteRefusedAsync(TestServer server, DeleteModelRequest request) =>
        await Assert.ThrowsAsync<RpcException>(() => server.Client.Models.DeleteModelAsync(request).ResponseAsync);

    private static async Task<RpcException> RefuseAsync(TestServer server, (string Name, string Text)[] files)
    {
        using var call = server.Client.Models.ImportModel();
        try
        {
            await call.RequestStream.WriteAsync(new() { Header = new() { Model = New } });
            foreach (var (name, text) in files)
                await call.RequestStream.WriteAsync(Chunk(name, text));
            await call.RequestStream.CompleteAsync();
        }
        catch (RpcException)
        {
            // The call has ended; the response says why.
        }

        return await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
    }

    private static ImportModelRequest Chunk(string name, string text) =>
        new() { Chunk = new() { File = name, Data = ByteString.CopyFromUtf8(text) } };

    private static string Models(TestServer server) => Path.Combine(server.Data.Path, "models");

    private static string[] Hidden(TestServer server) => Directory.GetDirectories(Models(server), ".*");

    private static void AssertNothingIsLeft(TestServer server) => Assert.Empty(Hidden(server));
}
