using System.Net;
using System.Net.Sockets;
using System.Text;
using Serving.Testing;

namespace Serving.EndToEnd.Tests.Http;

/// <summary>
/// What callers over HTTP get wrong: each is told what, where and how to do it right, and the server goes on.
/// </summary>
public sealed partial class BadHttpTests : IAsyncLifetime
{
    private const string Request = """{"inputs": [{"text": "a b"}], "tasks": [{"task": "tone"}]}""";

    private readonly DataFolder _data = new();
    private ServerProcess _server = null!;

    private string Http => _server.HttpAddress;

    public async Task InitializeAsync()
    {
        _server = await ServerProcess.StartAsync(
            _data,
            [
                "--Server:MaxReceiveMessageBytes=200000",
                "--Server:MaxQueuedTokens=1",
                "--Server:MaxDatasetBytes=100000"
            ]);
        var folder = _data.WriteVersion(seed: 1);
        await _server.Client.ImportTaskAsync("tone", folder, alias: "production");
        await File.WriteAllTextAsync(_data.At("texts.tsv"), "text\tlabel\na b\tx\nc d\ty\n");
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        _data.Dispose();
    }

    [ToolFact(Curl.Path)]
    public async Task Json_NamesThePlace()
    {
        (string Json, string Field, string Message)[] rows =
        [
            ("""{"inputs": [""", "body", "LineNumber: 0 | BytePositionInLine: 12"),
            ("""{"inputs": [],}""", "body", "BytePositionInLine: 14"),
            ("{} {}", "body", "invalid after a single JSON value"),
            ("[]", "body", "It is '[]'; an object, a ClassifyRequest, is needed."),
            ("null", "body", "It is 'null'; an object, a ClassifyRequest, is needed."),
            ("\"x\"", "body", "an object, a ClassifyRequest, is needed"),
            ("""{"inputs": null}""", "inputs", "It is 'null'; a list is needed."),
            ("""{"inputs": [null]}""", "inputs[0]", "It is 'null'; an object, a TextInput, is needed."),
            ("""{"inputs": {"text": "a"}}""", "inputs", "a list is needed"),
            ("""{"tasks": [[]]}""", "tasks[0]", "It is '[]'; an object, a TaskReference, is needed."),
            ("""{"input": []}""", "input", "There is no such field. ClassifyRequest has inputs, "),
            ("""{"inputs": [{"txt": "a"}]}""", "inputs[0].txt", "There is no such field. TextInput has text, pair."),
            ("""{"": 1}""", "\"\"", "There is no such field."),
            ("""{"inputs": [{"text": 1}]}""", "inputs[0].text", "It is '1'; a string is needed."),
            (
                """{"truncation": "RIGHT"}""",
                "truncation",
                "one of TRUNCATION_UNSPECIFIED, TRUNCATION_ERROR, TRUNCATION_RIGHT, "),
            ("""{"truncation": "2"}""", "truncation", "It is '2'; one of TRUNCATION_UNSPECIFIED"),
            ("""{"truncation": 99}""", "truncation", "It is '99'; one of"),
            ("""{"truncation": 2.0}""", "truncation", "It is '2.0'; one of"),
            ("""{"priority": 1.5}""", "priority", "It is '1.5'; a whole number of 32 bits"),
            ("""{"priority": 1e0}""", "priority", "It is '1e0'; a whole number of 32 bits"),
            ("""{"priority": " 5"}""", "priority", "a whole number of 32 bits"),
            ("""{"priority": 2147483648}""", "priority", "a whole number of 32 bits"),
            ("""{"priority": true}""", "priority", "It is 'true'; a whole number of 32 bits"),
            ("""{"priority": NaN}""", "body", "'N' is an invalid start of a value"),
            ("""{"priority": 1, "priority": 2}""", "priority", "It is given twice; once is needed."),
            ("""{"routing_key": "a", "routingKey": "b"}""", "routingKey", "It is given twice; once is needed."),
            (
                """{"tasks": [{"task": "tone", "alias": "a", "version": "b"}]}""",
                "tasks[0].version",
                "Another of its group 'which' is given, too"),
            ("""{"inputs": [{"text": "\ud800"}]}""", "inputs[0].text", "half of a surrogate pair"),
            ("""{"inputs": [{"\udc00": "a"}]}""", "inputs[0]", "half of a surrogate pair"),
            ("""{"\ud800": 1}""", "body", "half of a surrogate pair"),
            (string.Concat(Enumerable.Repeat("[", 50_000)), "body", "The maximum configured depth of 64"),
            (string.Concat(Enumerable.Repeat("{\"inputs\":", 5_000)), "body", "The maximum configured depth of 64"),
            ($$"""{"{{new string('n', 150_000)}}": 1}""", new string('n', 40) + "...", "There is no such field.")
        ];
        foreach (var (json, field, message) in rows)
            await RefusedAsync(
                400, message, field, ["--json", "@-", $"{Http}/v1/classify"], Encoding.UTF8.GetBytes(json));

        await RefusedAsync(
            400,
            "It is no UTF-8",
            "inputs[0].text",
            ["--json", "@-", $"{Http}/v1/classify"],
            [.. "{\"inputs\":[{\"text\":\"a"u8, 0xC3, 0x28, .. "\"}]}"u8]);
        await RefusedAsync(
            400,
            "It is no UTF-8",
            "body",
            ["--json", "@-", $"{Http}/v1/classify"],
            [.. "{\"a"u8, 0xC3, 0x28, .. "\":1}"u8]);
        await RefusedAsync(
            400,
            "'0xEF' is an invalid start",
            "body",
            ["--json", "@-", $"{Http}/v1/classify"],
            [0xEF, 0xBB, 0xBF, .. "{}"u8]);
        await RefusedAsync(400, "inputs: There are 0", "inputs", ["-X", "POST", $"{Http}/v1/classify"]);

        // What is no name, number or time in a recipe.
        string Recipe(string recipe) => $$"""{"spec": {{recipe}} }""";
        rows =
        [
            (
                Recipe("""{"classifier": {"seed": 99999999999999999999}}"""),
                "spec.classifier.seed",
                "It is '99999999999999999999'; a whole number of 64 bits, 0 or more"),
            (
                Recipe("""{"classifier": {"seed": -1}}"""),
                "spec.classifier.seed",
                "It is '-1'; a whole number of 64 bits, 0 or more"),
            (
                Recipe("""{"classifier": {"learningRate": 1e400}}"""),
                "spec.classifier.learningRate",
                "It is '1e400'; a number is needed."),
            (
                Recipe("""{"classifier": {"learningRate": "infinity"}}"""),
                "spec.classifier.learningRate",
                "It is 'infinity'; a number is needed."),
            (
                Recipe("""{"classifier": {"regression": "true"}}"""),
                "spec.classifier.regression",
                "true or false is needed."),
            (
                Recipe("""{"pretraining": {"budget": "abc"}}"""),
                "spec.pretraining.budget",
                "a time such as '90s' is needed."),
            (
                Recipe("""{"pretraining": {"budget": 5}}"""),
                "spec.pretraining.budget",
                "It is '5'; a time such as '90s' is needed."),
            (
                Recipe("""{"pretraining": {"objectives": ["NEXT"]}}"""),
                "spec.pretraining.objectives[0]",
                "OBJECTIVE_NEXT_SENTENCE"),
            (
                Recipe("""{"classifier": {}, "memory": {}}"""),
                "spec.memory",
                "Another of its group 'recipe' is given, too")
        ];
        foreach (var (json, field, message) in rows)
            await RefusedAsync(400, message, field, ["--json", "@-", $"{Http}/v1/jobs"], Encoding.UTF8.GetBytes(json));
        await RefusedAsync(
            400,
            "NaN is out of range",
            "canary.share",
            ["-X", "PUT", "--json", """{"canary": {"share": "NaN"}}""", $"{Http}/v1/tasks/tone/aliases/production"]);
        await RefusedAsync(
            400,
            "in the path 'small'; leave it out",
            "model",
            ["--json", """{"model": "other"}""", $"{Http}/v1/models/small:load"]);
        await GoesOnAsync();
    }

    [ToolFact(Curl.Path)]
    public async Task Bodies_ThatCantBeTaken_AreRefused()
    {
        await RefusedAsync(
            415,
            "application/json is needed (curl --json sends it)",
            "Content-Type",
            ["-d", Request, $"{Http}/v1/classify"]);
        foreach (
            var type in (string[])[
                "text/plain",
                "application/xml",
                "multipart/form-data; boundary=a",
                "nonsense",
                "application/grpc",
                "application/grpc-web",
                "application/grpc-web-text"
            ])
            await RefusedAsync(
                415,
                "application/json is needed",
                "Content-Type",
                ["-H", $"content-type: {type}", "-d", Request, $"{Http}/v1/classify"]);
        await RefusedAsync(
            415,
            "Its charset is 'utf-16'",
            "Content-Type",
            ["-H", "content-type: application/json; charset=utf-16", "-d", Request, $"{Http}/v1/classify"]);
        await RefusedAsync(
            415,
            "It is ''; application/json is needed",
            "Content-Type",
            ["-H", "content-type:", "-d", Request, $"{Http}/v1/classify"]);

        var large = Encoding.UTF8.GetBytes($$"""{"inputs": [{"text": "{{new string('a', 250_000)}}"}]}""");
        string[] json = ["--json", "@-", $"{Http}/v1/classify"];
        await RefusedAsync(413, "more than the 200000 bytes", field: null, json, large);
        await RefusedAsync(
            413, "more than the 200000 bytes", field: null, ["-H", "transfer-encoding: chunked", .. json], large);
        // Past Kestrel's own limit, too.
        await RefusedAsync(413, "more than the 200000 bytes", field: null, json, new byte[40_000_000]);
        await RefusedAsync(
            413,
            "has more than",
            field: null,
            ["--data-binary", "@-", $"{Http}/v1/datasets/large?text_column=text"],
            [.. "text\n"u8, .. large]);

        // Good ones of unusual forms.
        foreach (var form in (string[][])
            [
                ["-H", "transfer-encoding: chunked"],
                ["-H", "content-type: application/JSON; charset=UTF-8"],
                ["-H", "content-type: application/ld+json"],
                ["--http1.0"], ["--http2-prior-knowledge"], ["--http2"], ["-H", "expect: 100-continue"],
                ["-H", $"origin: {Http}"]
            ])
        {
            var answer = await Curl.RunAsync([.. form, "--json", Request, $"{Http}/v1/classify"]);
            Assert.True(
                answer.Status == 200 && answer.At("results[0].classifications[0].task") == "tone",
                $"{string.Join(' ', form)}: {answer}");
            Assert.Equal(form[0] == "--http2-prior-knowledge" ? "2" : "1.1", answer.Version);
        }

        foreach (var charset in (string[])["foo", "utf-16"])
        {
            var limits = await Curl.RunAsync(
                ["-H", $"content-type: application/json; charset={charset}", $"{Http}/v1/limits"]);
            Assert.Equal((200, "256"), (limits.Status, limits.At("maxInputs")));
        }

        await GoesOnAsync();
    }

    [ToolFact(Curl.Path)]
    public async Task Addresses_ThatMeanNothing_AreRefused()
    {
        (string Path, int Status, string Field, string Message)[] rows =
        [
            ("/v1/tasks?foo=1", 400, "foo", "There is no such parameter. ListTasksRequest has pageSize, pageToken."),
            ("/v1/tasks?page_size=abc", 400, "page_size", "It is 'abc'; a whole number of 32 bits"),
            ("/v1/tasks?page_size=", 400, "page_size", "It is ''; a whole number"),
            ("/v1/tasks?page_size=1&page_size=2", 400, "page_size", "It is given 2 times; once is needed."),
            ("/v1/tasks?page_size=1&pageSize=2", 400, "pageSize", "It is given under two names"),
            ("/v1/tasks/tone?task=other", 400, "task", "It is in the path already; leave it out."),
            ("/v1/tasks/tone:export?task.task=other", 400, "task.task", "It is in the path already; leave it out."),
            ("/v1/tasks/tone:export?task=other", 400, "task", "It is a message; name one of its fields"),
            ("/v1/tasks/tone:export?task.alias=a&task.version=b", 400, "task.version", "Another of its group 'which'"),
            ("/v1/tasks/tone:export?task.version=b", 400, "task.version", "'b' is no version"),
            ("/v1/tasks/tone/versions/x/files/task.json?a=1", 400, "a", "There are no parameters here"),
            ("/v1/tasks/..%2f..", 400, "task", "is no name"),
            ("/v1/tasks/a%2fb", 400, "task", "is no name"),
            ("/v1/tasks/..%5c", 400, "task", "is no name"),
            ("/v1/tasks/a;b", 400, "task", "'a;b' is no name"),
            ("/v1/tasks/*", 400, "task", "'*' is no name"),
            ("/v1/tasks/a:b", 400, "task", "'a:b' is no name"),
            ("/v1/tasks/%zz", 400, "task", "'%zz' is no name"),
            ("/v1/tasks/%c3%28", 400, "task", "is no name"),
            ("/v1/tasks/%0d%0aset-cookie:a", 400, "task", "is no name"),
            ("/v1/tasks/" + new string('a', 5000), 400, "task", "(5000 characters)' is no name"),
            ("/v1/tasks/:export", 400, "task", "is no name"),
            ("/v1/tasks/..", 404, "", "Not Found"),
            ("/v1/tasks/%2e%2e/x", 404, "", "Not Found"),
            ("/v1//tasks", 404, "", "Not Found"),
            ("//v1/tasks", 404, "", "Not Found"),
            ("/v1/tasks:compare", 404, "", "/openapi/v1.json says what there is."),
            ("/v1/nothing", 404, "", "/openapi/v1.json says what there is."),
            ("/metrics", 404, "", "/openapi/v1.json says what there is."),
            ("/v1/jobs/..%2f..%2fx/artifacts/..%2f..%2fx", 404, "", "There is no job '..%2f..%2fx'")
        ];
        foreach (var (path, status, field, message) in rows)
            await RefusedAsync(status, message, status == 400 ? field : null, [$"{Http}{path}"]);
        await RefusedAsync(
            400, "There are no parameters here", "priority", ["--json", Request, $"{Http}/v1/classify?priority=1"]);
        foreach (var method in (string[])["DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "FOO"])
            await RefusedAsync(
                404, $"{method} /v1/classify: Not Found.", field: null, ["-X", method, $"{Http}/v1/classify"]);
        await RefusedAsync(
            405, "Method Not Allowed", field: null, ["-X", "DELETE", $"{Http}/v1/tasks/tone/versions/x/files/y"]);
        Assert.Equal(404, (await Curl.RunAsync("-I", $"{Http}/v1/tasks")).Status);
        Assert.Equal(400, (await Curl.RunAsync($"{Http}/v1/tasks/a%00b")).Status);
        Assert.Equal(414, (await Curl.RunAsync($"{Http}/v1/tasks/{new string('a', 50_000)}")).Status);

        var wrong = await Curl.RunAsync($"{_server.Address}/v1/tasks");
        Assert.Equal((426, "h2c"), (wrong.Status, wrong.Header("upgrade")));
        Assert.Contains("This port speaks gRPC over HTTP/2 only.", wrong.Text, StringComparison.Ordinal);
        await GoesOnAsync();
    }

    [ToolFact(Curl.Path)]
    public async Task Connections_OfOldAndHastyClients_AreAnswered()
    {
        var get = "GET /v1/limits HTTP/1.1\r\nHost: x\r\n";
        var post = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + $"Content-Length: {Request.Length}\r\n\r\n{Request}";
        Assert.Equal(
            "200 200 200 404",
            await ExchangeAsync(
                $"{get}\r\n{post}{get}\r\n{get.Replace("limits", "nothing")}Connection: close\r\n\r\n"));
        Assert.Equal("200", await ExchangeAsync("GET /v1/limits HTTP/1.0\r\n\r\n"));
        Assert.Equal("400", await ExchangeAsync("GET /v1/limits HTTP/1.1\r\n\r\n")); // No host.
        Assert.Equal("400", await ExchangeAsync("nonsense\r\n\r\n"));
        Assert.Equal("505", await ExchangeAsync("GET / HTTP/3.0\r\nHost: x\r\n\r\n"));
        await using var body = new MemoryStream(new byte[1 << 20]);
        var expecting = await Curl.RunAsync(
            ["-H", "expect: 100-continue", "-X", "POST", "-T", "-", $"{Http}/v1/datasets/large?text_column=a"],
            body.ToArray());
        Assert.True(expecting.Status == 413, expecting.ToString());
        await GoesOnAsync();
    }

    [ToolFact(Curl.Path)]
    public async Task FullQueue_SaysWhenToTryAgain()
    {
        // 36 tokens each, of which one fits into the 40, the model's longest text, that may wait here.
        var text = string.Join(' ', Enumerable.Repeat("a", 34));
        var inputs = string.Join(", ", Enumerable.Repeat($$"""{"text": "{{text}}"}""", 200));
        var json = $$"""{"inputs": [{{inputs}}], "tasks": [{"task": "tone"}]}""";
        using var http = new HttpClient();
        async Task<(HttpStatusCode Status, TimeSpan? RetryAfter, string Text)> ClassifyAsync()
        {
            using var body = new StringContent(json, Encoding.UTF8, "application/json");
            using var answer = await http.PostAsync($"{Http}/v1/classify", body).Within();
            return (answer.StatusCode, answer.Headers.RetryAfter?.Delta, await answer.Content.ReadAsStringAsync());
        }

        for (var refused = 0; refused == 0;)
        {
            foreach (var answer in await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => ClassifyAsync())))
            {
                if (answer.Status == HttpStatusCode.OK)
                    continue;
                refused++;
                Assert.True(answer.Status == HttpStatusCode.TooManyRequests, answer.Text);
                Assert.Contains("type.googleapis.com/google.rpc.RetryInfo", answer.Text, StringComparison.Ordinal);
                Assert.InRange(answer.RetryAfter!.Value.TotalSeconds, 1, 5);
            }
        }

        await GoesOnAsync();
    }

    /// <summary>An error in JSON, of this status, about this field.</summary>
    private static async Task RefusedAsync(
        int status, string message, string? field, string[] arguments, byte[]? input = null)
    {
        var answer = await Curl.RunAsync(arguments, input);
        var call = arguments.Select(argument => argument.Length > 100 ? argument[..100] : argument);
        var what = $"{string.Join(' ', call)} {answer}";
        Assert.True(status == answer.Status, what);
        HttpRoutesTests.AssertIsError(answer, what);
        Assert.True(answer.At("message")!.Contains(message, StringComparison.Ordinal), $"{message}: {what}");
        Assert.True(field is null || answer.At("details[0].fieldViolations[0].field") == field, $"{field}: {what}");
        Assert.InRange(answer.Body.Length, 1, 4000);
    }

    private async Task GoesOnAsync()
    {
        var answer = await Curl.RunAsync("--json", Request, $"{Http}/v1/classify");
        Assert.True(answer.Status == 200, answer.ToString());
        Assert.DoesNotContain("fail:", _server.Output(), StringComparison.Ordinal);
    }

    private async Task CutOffAsync(string request)
    {
        using var connection = await ConnectAsync();
        await connection.SendAsync(Encoding.ASCII.GetBytes(request));
        connection.Close(0); // A reset.
    }

    /// <returns>The statuses of all answers, up to the connection's end.</returns>
    private async Task<string> ExchangeAsync(string request)
    {
        using var connection = await ConnectAsync();
        await connection.SendAsync(Encoding.ASCII.GetBytes(request));
        var all = "";
        var buffer = new byte[4096];
        try
        {
            for (int read; (read = await connection.ReceiveAsync(buffer).Within()) > 0;)
                all += Encoding.Latin1.GetString(buffer, 0, read);
        }
        catch (SocketException)
        {
            // Reset: what was sent after the bad request was not read.
        }

        return string.Join(' ', all.Split("HTTP/1.1 ").Skip(1).Select(answer => answer[..3]));
    }

    private async Task<Socket> ConnectAsync()
    {
        var connection = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await connection.ConnectAsync(IPAddress.Loopback, new Uri(Http).Port);
        return connection;
    }

    private string[] Folders(string name) =>
        [
            .. Directory.GetDirectories(Path.Combine(_data.Path, name)).Select(
                folder => Path.GetFileName(folder)).Where(folder => folder[0] != '.')
        ];
}
