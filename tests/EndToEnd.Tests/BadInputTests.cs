using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Serving.Models.Versions;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>What clients get wrong, over the wire; after each the server answers a good call.</summary>
public sealed class BadInputTests : IAsyncLifetime
{
    private readonly DataFolder _data = new();
    private ServerProcess _server = null!;

    private Client.ServingClient Client => _server.Client;

    public async Task InitializeAsync()
    {
        _server = await ServerProcess.StartAsync(_data, ["--Server:MaxInputs=3", "--Server:MaxTasks=2"]);
        await Client.ImportTaskAsync("sentiment", _data.WriteVersion(seed: 1), alias: "production");
        await Client.ImportTaskAsync(
            "entailment", _data.WriteVersion(seed: 2, inputs: TextInputs.Pair), alias: "production");
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        _data.Dispose();
    }

    [Fact]
    public async Task Classify_BadRequests_NameFieldAndRemedy()
    {
        await RefusedAsync(
            StatusCode.NotFound,
            "There is no task 'sentimant'. The nearest are 'sentiment', 'entailment'.",
            task: "sentimant");
        await RefusedAsync(
            StatusCode.NotFound, $"There is no version '{new string('0', 64)}' of the task 'sentiment'",
            version: new string('0', 64));
        await RefusedAsync(StatusCode.InvalidArgument, "tasks[0].version: 'v1' is no version", version: "v1");
        await RefusedAsync(StatusCode.InvalidArgument, "inputs[0].text: The text is empty", text: "");
        await RefusedAsync(StatusCode.InvalidArgument, "inputs[0].text: ", text: "\u0000\u0001");
        await RefusedAsync(
            StatusCode.InvalidArgument, "inputs[0]: The task 'entailment' reads a text and its pair",
            task: "entailment");
        await RefusedAsync(StatusCode.InvalidArgument, "inputs[0]: The task 'sentiment' reads one text", pair: "b");
        await RefusedAsync(
            StatusCode.InvalidArgument,
            "has 102 tokens, 2 special ones among them; at most 40",
            text: string.Join(' ', Enumerable.Repeat("a", 100)));
        await RefusedAsync(StatusCode.InvalidArgument, "inputs: There are 4; 1 to 3", inputs: 4);
        await RefusedAsync(StatusCode.InvalidArgument, "inputs: There are 0; 1 to 3", inputs: 0);
        await RefusedAsync(StatusCode.InvalidArgument, "tasks: There are 3; 1 to 2", tasks: 3);
        await RefusedAsync(StatusCode.InvalidArgument, "priority: 101 is out of range", priority: 101);
        string[] names = ["", "..", "a/b", "a\0b", "/etc/passwd", ".hidden", "-flag", "ü", new string('a', 300)];
        foreach (var name in names)
        {
            await RefusedAsync(StatusCode.InvalidArgument, "tasks[0].task: '", task: name);
            await RefusedAsync(
                StatusCode.InvalidArgument, "task: '", () =>
                    Client.Tasks.GetTaskAsync(new() { Task = name }).ResponseAsync);
            await RefusedAsync(
                StatusCode.InvalidArgument, "model: '", () =>
                    Client.Models.LoadModelAsync(new() { Model = name }).ResponseAsync);
            await RefusedAsync(
                StatusCode.InvalidArgument,
                "header.task: '",
                () => Client.ImportTaskAsync(name, _data.WriteVersion(seed: 1)));
        }
    }

    [Fact]
    public async Task Classify_LongText_IsTruncatedAsAskedAndSaysSo()
    {
        var request = Request(text: string.Join(' ', Enumerable.Repeat("a", 100)));
        request.Truncation = Truncation.Right;
        var usage = (await Client.Classifier.ClassifyAsync(request)).Results[0].Usage;
        Assert.Equal((40, 102, true), (usage.Tokens, usage.InputTokens, usage.Truncated));
    }

    [Fact]
    public async Task Classify_InvalidUtf8_IsRefused()
    {
        // inputs[0].text = C3 28, half of a character; tasks[0].task = "sentiment".
        byte[] message = [0x0A, 0x04, 0x0A, 0x02, 0xC3, 0x28, 0x12, 0x0B, 0x0A, 0x09, .. "sentiment"u8];
        using var channel = GrpcChannel.ForAddress(_server.Address);
        var raw = new Method<byte[], byte[]>(
            MethodType.Unary,
            "serving.v1.Classifier",
            "Classify",
            Marshallers.Create(b => b, b => b),
            Marshallers.Create(b => b, b => b));
        var call = channel.CreateCallInvoker().AsyncUnaryCall(raw, host: null, new CallOptions(), message);
        var exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        Assert.Equal(StatusCode.InvalidArgument, exception.StatusCode);
        Assert.StartsWith(
            "inputs[0].text: It is no UTF-8: the byte 0xC3 at 0", exception.Status.Detail, StringComparison.Ordinal);
        Assert.Equal("inputs[0].text", exception.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations[0].Field);
    }

    [Fact]
    public async Task Import_LiesAndLeftovers_LeaveNothing()
    {
        var good = _data.WriteVersion(seed: 3);
        var version = Path.GetFileName(good);

        await RefusedAsync(
            StatusCode.InvalidArgument,
            "hashes to " + version,
            () => Client.ImportTaskAsync("new", good, expectedVersion: new string('a', 64)));
        var damaged = _data.At("damaged");
        Directory.CreateDirectory(damaged);
        foreach (var file in Directory.EnumerateFiles(good))
            File.Copy(file, Path.Combine(damaged, Path.GetFileName(file)));
        var mask = await File.ReadAllBytesAsync(Path.Combine(damaged, "mask.safetensors"));
        mask[^1] ^= 1;
        await File.WriteAllBytesAsync(Path.Combine(damaged, "mask.safetensors"), mask);
        await RefusedAsync(
            StatusCode.InvalidArgument, "mask.safetensors hashes to", () => Client.ImportTaskAsync("new", damaged));
        await RefusedAsync(StatusCode.InvalidArgument, "header: It is missing", () => UploadAsync());
        await RefusedAsync(
            StatusCode.InvalidArgument,
            "chunk.file: '../../x' is no file of a version",
            () => UploadAsync(Header("new"), Chunk("../../x", [1])));
        await RefusedAsync(
            StatusCode.InvalidArgument,
            "task.json comes a second time",
            () => UploadAsync(
                Header("new"), Chunk("task.json", [1]), Chunk("head.safetensors", [1]), Chunk("task.json", [1])));
        await RefusedAsync(StatusCode.InvalidArgument, "task.json is missing", () => UploadAsync(Header("new")));

        await RefusedAsync(
            StatusCode.NotFound,
            "There is no task 'new'",
            () => Client.Tasks.GetTaskAsync(new() { Task = "new" }).ResponseAsync);
        var left = Directory.EnumerateFileSystemEntries(Path.Combine(_data.Path, "tasks"));
        Assert.Equal([".lock", "entailment", "sentiment"], left.Select(p => Path.GetFileName(p)).Order());
    }

    [Fact]
    public async Task Aliases_UsedVersionsStay_AndWrongExpectationsAbort()
    {
        var task = await Client.Tasks.GetTaskAsync(new() { Task = "sentiment" });
        var version = task.Versions.Single().Version;

        await RefusedAsync(
            StatusCode.FailedPrecondition,
            "uses version " + version + ", so it can't be deleted",
            () => Client.Tasks.DeleteTaskVersionAsync(new() { Task = "sentiment", Version = version }).ResponseAsync);
        await RefusedAsync(
            StatusCode.FailedPrecondition,
            "so it can't be unloaded",
            () => Client.Tasks.UnloadTaskAsync(new() { Task = "sentiment", Version = version }).ResponseAsync);
        await RefusedAsync(
            StatusCode.Aborted,
            "read it again",
            () => Client.Tasks.SetAliasAsync(
                new() { Task = "sentiment", Version = version, ExpectedCurrentVersion = "" }).ResponseAsync);
        await RefusedAsync(
            StatusCode.FailedPrecondition,
            "has no version before this one",
            () => Client.Tasks.SetAliasAsync(new() { Task = "sentiment", Rollback = true }).ResponseAsync);
        await RefusedAsync(
            StatusCode.FailedPrecondition,
            "Aliases of 2 tasks use the model 'small'",
            () => Client.Models.UnloadModelAsync(new() { Model = "small" }).ResponseAsync);

        await Client.Models.UnloadModelAsync(new() { Model = "small", Force = true });
        await RefusedAsync(StatusCode.FailedPrecondition, "which is not loaded; load its model", AnswerAsync);
        await Client.Models.LoadModelAsync(new() { Model = "small" });
        await AnswerAsync();
    }

    private Task AnswerAsync() => Client.ClassifyAsync(["a"], ["sentiment"]);

    private async Task UploadAsync(params ImportTaskRequest[] parts)
    {
        using var call = Client.Tasks.ImportTask();
        foreach (var part in parts)
            await call.RequestStream.WriteAsync(part);
        await call.RequestStream.CompleteAsync();
        await call.ResponseAsync;
    }

    private static ImportTaskRequest Header(string task) => new() { Header = new() { Task = task } };

    private static ImportTaskRequest Chunk(string file, byte[] data) =>
        new() { Chunk = new() { File = file, Data = ByteString.CopyFrom(data) } };

    private static ClassifyRequest Request(
        string task = "sentiment",
        string text = "a",
        string? pair = null,
        string? version = null,
        int inputs = 1,
        int tasks = 1,
        int priority = 0)
    {
        var input = new TextInput { Text = text };
        if (pair is not null)
            input.Pair = pair;
        var reference = new TaskReference { Task = task };
        if (version is not null)
            reference.Version = version;
        return new()
        {
            Inputs = { Enumerable.Repeat(input, inputs) },
            Tasks = { Enumerable.Repeat(reference, tasks) },
            Priority = priority
        };
    }

    private Task RefusedAsync(
        StatusCode status,
        string message,
        string task = "sentiment",
        string text = "a",
        string? pair = null,
        string? version = null,
        int inputs = 1,
        int tasks = 1,
        int priority = 0) =>
        RefusedAsync(status, message, () =>
            Client.Classifier.ClassifyAsync(Request(task, text, pair, version, inputs, tasks, priority)).ResponseAsync);

    /// <summary>The call fails with this status, says this, has details that fit, and the server goes on.</summary>
    private async Task RefusedAsync(StatusCode status, string message, Func<Task> call)
    {
        var exception = await Assert.ThrowsAsync<RpcException>(call);
        var detail = exception.Status.Detail;
        var isMessage = detail.Contains(message, StringComparison.Ordinal);
        Assert.Equal((status, message), (exception.StatusCode, isMessage ? message : detail));
        var details = exception.GetRpcStatus()!;
        Assert.Equal(exception.Status.Detail, details.Message);
        switch (status)
        {
            case StatusCode.InvalidArgument:
                Assert.NotEmpty(details.GetDetail<BadRequest>()!.FieldViolations[0].Field);
                break;
            case StatusCode.NotFound:
                Assert.NotEmpty(details.GetDetail<ResourceInfo>()!.ResourceType);
                break;
            case StatusCode.FailedPrecondition:
                Assert.NotEmpty(details.GetDetail<PreconditionFailure>()!.Violations[0].Subject);
                break;
        }

        if (!message.Contains("is not loaded", StringComparison.Ordinal))
            await AnswerAsync();
    }
}
