using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests.Http;

/// <summary>What settings make of the HTTP port, and what it does while the server starts and stops.</summary>
public sealed class HttpServerTests
{
    private const string Request = """{"inputs": [{"text": "a b"}], "tasks": [{"task": "tone"}]}""";
    private const string Origin = "https://app.example";
    private const string Remove = """{"remove": true}""";

    [ToolFact(Curl.Path)]
    public async Task Pages_OfOtherOrigins_ChangeNothing_UnlessTheirOriginIsListed()
    {
        using var data = new DataFolder();
        await using (var server = await StartAsync(data))
        {
            string[] alias = ["-X", "PUT", "--json", Remove, $"{server.HttpAddress}/v1/tasks/tone/aliases/production"];
            foreach (var origin in (string[])[Origin, "null", server.HttpAddress.Replace("http:", "https:")])
            {
                var refused = await Curl.RunAsync(["-H", $"origin: {origin}", .. alias]);
                Assert.True((refused.Status, refused.At("code")) == (403, "7"), refused.ToString());
                Assert.Equal(
                    $"Pages of {origin} may not call this server; name the origin in Server:CorsOrigins.",
                    refused.At("message"));
                Assert.Equal(
                    403,
                    (
                        await Curl.RunAsync(
                            ["-H", $"origin: {server.HttpAddress}", "-H", $"origin: {origin}", .. alias])).Status);
            }

            var web = await GrpcWebAsync(server, "application/grpc-web+proto", Origin);
            Assert.Equal((403, ""), (web.Status, web.Header("access-control-allow-origin")));
            var preflight = await PreflightAsync(server, Origin);
            Assert.Equal((404, ""), (preflight.Status, preflight.Header("access-control-allow-origin")));
            var read = await Curl.RunAsync("-H", $"origin: {Origin}", $"{server.HttpAddress}/v1/tasks/tone");
            // Still there; and a browser keeps the answer from the page:
            Assert.Equal("production", read.At("aliases[0].name"));
            Assert.Equal("", read.Header("access-control-allow-origin"));
        }

        await using (var server = await StartAsync(data, $"--Server:CorsOrigins:0={Origin}"))
        {
            var preflight = await PreflightAsync(server, Origin);
            Assert.Equal((204, Origin), (preflight.Status, preflight.Header("access-control-allow-origin")));
            Assert.Equal("content-type", preflight.Header("access-control-allow-headers"));
            Assert.Equal(
                "", (await PreflightAsync(server, "https://other.example")).Header("access-control-allow-origin"));
            var answer = await Curl.RunAsync(
                "-H", $"origin: {Origin}", "--json", Request, $"{server.HttpAddress}/v1/classify");
            Assert.Equal((200, Origin), (answer.Status, answer.Header("access-control-allow-origin")));
            var web = await GrpcWebAsync(server, "application/grpc-web+proto", Origin);
            Assert.Equal((200, Origin), (web.Status, web.Header("access-control-allow-origin")));
            Assert.Contains(
                "Grpc-Status", web.Header("access-control-expose-headers"), StringComparison.OrdinalIgnoreCase);
            var other = await Curl.RunAsync(
                "-H", "origin: https://other.example", "--json", Request, $"{server.HttpAddress}/v1/classify");
            Assert.Equal(403, other.Status);
        }
    }

    [ToolFact(Curl.Path)]
    public async Task GrpcWeb_IsFramed_AsBytesAndAsText()
    {
        using var data = new DataFolder();
        await using var server = await StartAsync(data);
        foreach (
            var type in (string[])["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"])
        {
            var answer = await GrpcWebAsync(server, type, origin: null);
            Assert.True(answer.Status == 200 && answer.ContentType == type.Replace("+proto", ""), answer.ToString());
            var frames = Frames(
                type.EndsWith("text", StringComparison.Ordinal) ? FromBase64(answer.Text) : answer.Body);
            Assert.Equal([0x00, 0x80], frames.Select(frame => frame.Flags)); // A message, then trailers.
            Assert.Equal(
                "tone",
                ClassifyResponse.Parser.ParseFrom(frames[0].Data).Results.Single().Classifications.Single().Task);
            Assert.Contains("grpc-status: 0\r\n", Encoding.ASCII.GetString(frames[1].Data), StringComparison.Ordinal);
        }

        var wrong = await GrpcWebAsync(server, "application/grpc-web", origin: null, method: "Classifi");
        Assert.Equal((200, "12"), (wrong.Status, wrong.Header("grpc-status")));
        Assert.DoesNotContain("fail:", server.Output(), StringComparison.Ordinal);
    }

    [ToolFact(Curl.Path)]
    public async Task OpenApi_DescribesEveryRoute()
    {
        using var data = new DataFolder();
        await using var server = await StartAsync(data);
        var answer = await Curl.RunAsync($"{server.HttpAddress}/openapi/v1.json");
        Assert.Equal((200, "application/json;charset=utf-8"), (answer.Status, answer.ContentType.Replace(" ", "")));
        var document = answer.Json;

        foreach (var schema in All(document))
        {
            if (CurlAnswer.At(schema, "format") is "int64" or "uint64")
                Assert.Equal("string", CurlAnswer.At(schema, "type"));
            if (schema.TryGetProperty("$ref", out var reference))
                Assert.NotNull(CurlAnswer.At(document, reference.GetString()!.Replace("#/", "").Replace('/', '.')));
        }

        var operations = document.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject())
            .ToDictionary(
                operation => operation.Value.GetProperty("operationId").GetString()!, operation => operation.Value);
        Assert.All(operations.Values, operation =>
        {
            Assert.Equal(
                "#/components/schemas/Status",
                CurlAnswer.At(operation, "responses.default.content.application/json.schema.$ref"));
            Assert.NotNull(CurlAnswer.At(operation, "responses.200.content"));
        });
        Assert.Equal(
            "Every input under every task. One failed input fails the call.",
            CurlAnswer.At(operations["Classifier_Classify"], "description"));
        Assert.StartsWith(
            "Points an alias at a version: promotes it.",
            CurlAnswer.At(operations["Tasks_SetAlias"], "description"),
            StringComparison.Ordinal);
        Assert.StartsWith(
            "A stream of JSON, one JobEvent a line.",
            CurlAnswer.At(operations["Jobs_WatchJob"], "responses.200.description"),
            StringComparison.Ordinal);
        Assert.Equal(
            "Unbounded; comparable within one answer.",
            CurlAnswer.At(document, "components.schemas.LabelScore.properties.logit.description"));

        var upload = operations["Datasets_UploadDataset"];
        Assert.Equal("binary", CurlAnswer.At(upload, "requestBody.content.application/octet-stream.schema.format"));
        Assert.Equal(
            "binary", CurlAnswer.At(upload, "requestBody.content.multipart/form-data.schema.properties.file.format"));
        Assert.Equal(
            "string",
            CurlAnswer.At(upload, "requestBody.content.multipart/form-data.schema.properties.textColumn.type"));
        Assert.Equal(
            "#/components/schemas/Dataset",
            CurlAnswer.At(upload, "responses.200.content.application/json.schema.$ref"));
        Assert.Equal(
            ["name", "format", "textColumn", "pairColumn", "labelColumn", "noHeader", "maxRejectedRows"],
            upload.GetProperty("parameters").EnumerateArray().Select(parameter => CurlAnswer.At(parameter, "name")));
        var import = operations["Tasks_ImportTask"].GetProperty("requestBody").GetProperty("content").EnumerateObject()
            .Single();
        Assert.Equal("multipart/form-data", import.Name);
        Assert.Equal(
            ["task.json", "mask.safetensors", "head.safetensors"],
            import.Value.GetProperty("schema").GetProperty("properties").EnumerateObject().Select(part => part.Name));
        Assert.All((string[])["Tasks_ExportFile", "Jobs_DownloadFile"], name =>
            Assert.Equal(
                "binary",
                CurlAnswer.At(operations[name], "responses.200.content.application/octet-stream.schema.format")));
    }

    [ToolFact(Curl.Path)]
    public async Task Metrics_AreForPrometheus()
    {
        using var data = new DataFolder();
        await using var server = await StartAsync(data, "--Server:Metrics=true");
        Assert.Equal(200, (await Curl.RunAsync("--json", Request, $"{server.HttpAddress}/v1/classify")).Status);
        var answer = await Curl.RunAsync($"{server.HttpAddress}/metrics");
        Assert.StartsWith(
            "text/plain; version=0.0.4", answer.ContentType.Replace(";version", "; version"), StringComparison.Ordinal);
        Assert.All(
            (string[])
            [
                "rpc_server_duration_milliseconds_count", "serving_task_requests_total",
                "serving_queue_duration_seconds_bucket",
                "serving_queue_requests",
                "serving_batch_tokens_sum",
                "serving_memory_usage_bytes",
                "http_server_request_duration_seconds_count",
                "process_cpu_time_seconds_total", "dotnet_process_memory_working_set_bytes"
            ],
            name => Assert.Contains($"\n{name}{{", answer.Text, StringComparison.Ordinal));
        var calls = answer.Text.Split('\n').Single(line =>
            line.StartsWith("rpc_server_duration_milliseconds_count{", StringComparison.Ordinal)
            && line.Contains("rpc_method=\"Classify\"", StringComparison.Ordinal));
        Assert.Contains("rpc_grpc_status_code=\"0\"", calls, StringComparison.Ordinal);
        Assert.Contains("} 1", calls, StringComparison.Ordinal);
    }

    [ToolFact(Curl.Path)]
    public async Task Tls_BothPortsSpeakBoth()
    {
        using var data = new DataFolder();
        using (var key = ECDsa.Create(ECCurve.NamedCurves.nistP256))
        {
            var now = DateTimeOffset.UtcNow;
            using var certificate = new CertificateRequest(
                "CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
            await File.WriteAllTextAsync(data.At("server.pem"), certificate.ExportCertificatePem());
            await File.WriteAllTextAsync(data.At("server.key"), key.ExportPkcs8PrivateKeyPem());
        }

        await using var server = await ServerProcess.StartWithoutWaitingAsync(
            data,
            [
                $"--Server:CertificateFile={data.At("server.pem")}",
                $"--Server:CertificateKeyFile={data.At("server.key")}"
            ]);
        Assert.StartsWith("https://", server.Address, StringComparison.Ordinal);
        await Eventually.TrueAsync(
            () => server.Output().Contains("Ready: ", StringComparison.Ordinal), "the server is ready");
        foreach (var address in (string[])[server.Address, server.HttpAddress])
        {
            foreach (var (flag, version) in ((string, string)[])[("--http1.1", "1.1"), ("--http2", "2")])
            {
                var answer = await Curl.RunAsync(flag, $"{address}/v1/limits");
                Assert.Equal((200, version, "256"), (answer.Status, answer.Version, answer.At("maxInputs")));
            }

            byte[] message = [0, 0, 0, 0, 0]; // An empty request.
            var call = await Curl.RunAsync(
                [
                    "--http2",
                    "-H",
                    "content-type: application/grpc",
                    "-H",
                    "te: trailers",
                    "--data-binary",
                    "@-",
                    $"{address}/serving.v1.Models/GetLimits"
                ],
                message);
            Assert.Equal((200, "application/grpc"), (call.Status, call.ContentType));
            Assert.Equal(256, Limits.Parser.ParseFrom(Frames(call.Body).Single().Data).MaxInputs);
        }

        Assert.NotEqual(0, (await Curl.RunAsync(server.HttpAddress.Replace("https:", "http:"))).ExitCode);
        Assert.DoesNotContain("fail:", server.Output(), StringComparison.Ordinal);
    }

    [ToolFact(Curl.Path, "/usr/bin/mkfifo")]
    public async Task Starting_IsUnavailable_OnEveryRoute()
    {
        using var data = new DataFolder();
        var vocabulary = Path.Combine(data.Path, "models", DataFolder.Model, "vocab.txt");
        File.Delete(vocabulary);
        using (var pipe = Process.Start("/usr/bin/mkfifo", [vocabulary]))
            await pipe.WaitForExitAsync(); // A file that nobody writes to.
        await using var server = await ServerProcess.StartWithoutWaitingAsync(data);
        var file = data.At("texts.tsv");
        await File.WriteAllTextAsync(file, "text\na\n");
        foreach (var arguments in (string[][])
            [
                ["/v1/tasks"], ["/v1/classify", "--json", Request], ["/v1/jobs/x/events"], ["/v1/jobs/x/artifacts/y"],
                ["/v1/datasets/x?text_column=text", "-F", $"file=@{file}"]
            ])
        {
            var answer = await Curl.RunAsync([$"{server.HttpAddress}{arguments[0]}", .. arguments[1..]]);
            Assert.True((answer.Status, CurlAnswer.At(answer.Lines[0], "code")) == (503, "14"), answer.ToString());
            Assert.Equal(
                "The server is starting; retry, or watch its health.", CurlAnswer.At(answer.Lines[0], "message"));
        }

        Assert.DoesNotContain("fail:", server.Output(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_EndsAWatch_WithAStatusAsItsLastLine()
    {
        using var data = new DataFolder();
        await using var server = await StartAsync(data, "--Server:TrainingThreads=1");
        var texts = data.At("texts.tsv");
        await File.WriteAllLinesAsync(
            texts,
            Enumerable.Range(0, 60).Select(i => $"{(char)('a' + (i % 26))} b {i}\t{i % 2}").Prepend("text\tlabel"));
        await server.Client.UploadDatasetAsync(
            new() { Name = "texts", TextColumn = "text", LabelColumn = "label" }, texts);
        var job = await server.Client.Jobs.SubmitJobAsync(new()
        {
            Spec = new()
            {
                Classifier = new()
                {
                    Method = TrainingMethod.Mask,
                    Model = DataFolder.Model,
                    Dataset = "texts",
                    MaxTokens = 30,
                    Epochs = 1000
                }
            }
        });
        using var http = new HttpClient();
        using var answer = await http.GetAsync(
            $"{server.HttpAddress}/v1/jobs/{job.Id}/events", HttpCompletionOption.ResponseHeadersRead).Within();
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());
        Assert.Contains("JOB_STATE_QUEUED", await lines.ReadLineAsync().Within(), StringComparison.Ordinal);
        server.Terminate();
        var last = "";
        while (await lines.ReadLineAsync().Within() is { } line)
            last = line;
        var status = JsonDocument.Parse(last).RootElement;
        Assert.Equal("14", CurlAnswer.At(status, "code"));
        Assert.StartsWith(
            "The server is stopping; watch again", CurlAnswer.At(status, "message"), StringComparison.Ordinal);
        Assert.Equal(0, await server.ExitAsync());
        Assert.DoesNotContain("fail:", server.Output(), StringComparison.Ordinal);
    }

    private static async Task<ServerProcess> StartAsync(DataFolder data, params string[] flags)
    {
        var server = await ServerProcess.StartAsync(data, flags);
        await server.Client.ImportTaskAsync("tone", data.WriteVersion(seed: 1), alias: "production");
        return server;
    }

    private static Task<CurlAnswer> PreflightAsync(ServerProcess server, string origin) => Curl.RunAsync(
        "-X",
        "OPTIONS",
        "-H",
        $"origin: {origin}",
        "-H",
        "access-control-request-method: POST",
        "-H",
        "access-control-request-headers: content-type",
        $"{server.HttpAddress}/v1/classify");

    private static Task<CurlAnswer> GrpcWebAsync(
        ServerProcess server, string type, string? origin, string method = "Classify")
    {
        var request = new ClassifyRequest
        {
            Inputs = { new TextInput { Text = "a b" } },
            Tasks = { new TaskReference { Task = "tone" } }
        };
        var message = request.ToByteArray();
        byte[] frame = [0, 0, 0, 0, (byte)message.Length, .. message]; // Flags, the length in four bytes, the message.
        string[] from = origin is null ? [] : ["-H", $"origin: {origin}"];
        return Curl.RunAsync(
            [
                .. from,
                "-H",
                $"content-type: {type}",
                "-H",
                $"accept: {type}",
                "--data-binary",
                "@-",
                $"{server.HttpAddress}/serving.v1.Classifier/{method}"
            ],
            type.EndsWith("text", StringComparison.Ordinal)
                ? Encoding.ASCII.GetBytes(Convert.ToBase64String(frame))
                : frame);
    }

    private static List<(int Flags, byte[] Data)> Frames(ReadOnlySpan<byte> bytes)
    {
        var frames = new List<(int, byte[])>();
        while (bytes.Length > 0)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(bytes[1..]);
            frames.Add((bytes[0], bytes.Slice(5, length).ToArray()));
            bytes = bytes[(5 + length)..];
        }

        return frames;
    }

    /// <summary>Pieces of base64, each with its own padding, after one another.</summary>
    private static byte[] FromBase64(string text) =>
        [.. text.Chunk(4).SelectMany(four => Convert.FromBase64CharArray(four, 0, four.Length))];

    private static IEnumerable<JsonElement> All(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().SelectMany(member => All(member.Value)).Prepend(json),
        JsonValueKind.Array => json.EnumerateArray().SelectMany(All),
        _ => []
    };
}
