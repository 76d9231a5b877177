using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Google.Api;
using Google.Protobuf.Reflection;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests.Http;

/// <summary>Every route of the HTTP API, called with curl.</summary>
public sealed partial class HttpRoutesTests
{
    private const string Texts = "text\tlabel\na b\tlabel-0\nc d\tlabel-1\n";

    private static readonly ServiceDescriptor[] Services =
    [
        Classifier.Descriptor, Generator.Descriptor, Tasks.Descriptor, V1.Models.Descriptor, Datasets.Descriptor,
        V1.Jobs.Descriptor
    ];

    /// <summary>A call, and what its answer must say.</summary>
    /// <param name="Route">The method and the template: "GET /v1/tasks/{task}".</param>
    /// <param name="Path">What is called; $name stands for what a row before kept, or the test knows.</param>
    /// <param name="Status">Of HTTP.</param>
    /// <param name="Expected">"path=value" of the JSON, or of its first line; "path" alone: it is there.</param>
    private sealed record Row(string Route, string Path, int Status, params string[] Expected)
    {
        /// <summary>The body, as JSON.</summary>
        public string? Json { get; init; }

        /// <summary>More for curl: a file to send.</summary>
        public string[] Curl { get; init; } = [];

        /// <summary>"name=path": the value of a later $name.</summary>
        public string? Keep { get; init; }

        public Action<CurlAnswer>? Check { get; init; }
    }

    [ToolFact(Curl.Path)]
    public async Task EveryRoute_DoesWhatItsMethodDoes()
    {
        using var data = new DataFolder();
        RandomGpt2.Write(System.IO.Path.Combine(data.Path, "models", "writer"));
        await using var hub = await LoopbackHub.StartAsync();
        hub.Add("owner/pulled", System.IO.Path.Combine(data.Path, "models", DataFolder.Model));
        await using var server = await ServerProcess.StartAsync(
            data,
            ["--Server:TrainingThreads=1"],
            new Dictionary<string, string>(StringComparer.Ordinal) { ["HF_ENDPOINT"] = hub.Address.AbsoluteUri });
        var (one, two) = (data.WriteVersion(seed: 1), data.WriteVersion(seed: 2));
        var texts = data.At("texts.tsv");
        await File.WriteAllTextAsync(texts, Texts);
        await File.WriteAllTextAsync(data.At("texts.csv"), "text,label\n\"a, b\",label-1\n");
        await using (var zipped = new GZipStream(File.Create(data.At("more.tsv.gz")), CompressionLevel.Fastest))
        {
            var more = Enumerable.Range(0, 58).Select(i => $"e {i}\tlabel-{i % 2}\n");
            await zipped.WriteAsync(Encoding.UTF8.GetBytes(Texts + string.Concat(more)));
        }

        var known = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["one"] = System.IO.Path.GetFileName(one),
            ["two"] = System.IO.Path.GetFileName(two)
        };

        var covered = new HashSet<string>(StringComparer.Ordinal);
        Row[] rows = [
            .. TaskRows(one, two),
            .. ClassifierRows(),
            .. GeneratorRows(),
            .. ModelRows(data),
            .. DatasetRows(data),
            .. JobRows(),
            .. LastRows()
        ];
        foreach (var row in rows)
        {
            var answer = await CallAsync(server, row, known);
            var what = $"{row.Route} as {row.Path}: {answer}";
            Assert.True(row.Status == answer.Status && answer.ExitCode == 0, what);
            if (row.Expected.Length > 0)
                Assert.StartsWith("application/json", answer.ContentType, StringComparison.Ordinal);
            foreach (var expected in row.Expected)
            {
                var (path, value) = expected.Split('=', 2) is [var before, var after]
                    ? (before, after)
                    : (expected, null);
                var seen = CurlAnswer.At(answer.Lines[0], path);
                Assert.True(
                    seen is not null && (value is null || seen == Fill(value, known)), $"{expected}: {seen}; {what}");
            }

            if (answer.Status >= 400)
                AssertIsError(answer, what);
            row.Check?.Invoke(answer);
            if (row.Keep?.Split('=') is [var name, var at])
                known[name] = answer.At(at)!;
            if (row.Status == 200)
                covered.Add(row.Route);
        }

        Assert.Equal(await RoutesAsync(server), covered.Order(StringComparer.Ordinal));
        Assert.DoesNotContain("fail:", server.Output(), StringComparison.Ordinal);
    }

    /// <summary>Every google.api.http rule of the protos, and all else that the server's own document lists.</summary>
    private static async Task<IEnumerable<string>> RoutesAsync(ServerProcess server)
    {
        var rules = Services
            .SelectMany(service => service.Methods)
            .Select(method => method.GetOptions()?.GetExtension(AnnotationsExtensions.Http))
            .OfType<HttpRule>()
            .SelectMany(rule => rule.AdditionalBindings.Prepend(rule))
            .Select(rule => rule.PatternCase switch
            {
                HttpRule.PatternOneofCase.Get => $"GET {rule.Get}",
                HttpRule.PatternOneofCase.Put => $"PUT {rule.Put}",
                HttpRule.PatternOneofCase.Post => $"POST {rule.Post}",
                HttpRule.PatternOneofCase.Delete => $"DELETE {rule.Delete}",
                _ => $"PATCH {rule.Patch}"
            })
            .ToList();
        Assert.Equal(Services.Sum(service => service.Methods.Count(method => !method.IsClientStreaming)), rules.Count);
        var document = (await Curl.RunAsync($"{server.HttpAddress}/openapi/v1.json")).Json;
        var listed = document.GetProperty("paths").EnumerateObject()
            .SelectMany(
                path => path.Value.EnumerateObject().Select(method => $"{method.Name.ToUpperInvariant()} {path.Name}"));
        return rules.Union(listed).Order(StringComparer.Ordinal);
    }

    private static async Task<CurlAnswer> CallAsync(ServerProcess server, Row row, Dictionary<string, string> known)
    {
        string[] body = row.Json is null ? [] : ["--json", Fill(row.Json, known)];
        var method = row.Route[..row.Route.IndexOf(' ')];
        return await Curl.RunAsync(
            ["-X", method, $"{server.HttpAddress}{Fill(row.Path, known)}", .. body, .. row.Curl]);
    }

    private static string Fill(string text, Dictionary<string, string> known) =>
        Name().Replace(text, name => known[name.Groups[1].Value]);

    /// <summary>{code, message, details}, with the details that go with the code.</summary>
    internal static void AssertIsError(CurlAnswer answer, string what)
    {
        Assert.True(answer.ContentType.StartsWith("application/json", StringComparison.Ordinal), what);
        var error = answer.Lines.Count == 1 ? answer.Lines[0] : answer.Json;
        Assert.Equal(["code", "message", "details"], error.EnumerateObject().Select(member => member.Name));
        Assert.False(string.IsNullOrEmpty(CurlAnswer.At(error, "message")), what);
        var detail = CurlAnswer.At(error, "details[0].@type");
        if (answer.Status == 400 && CurlAnswer.At(error, "code") == "3")
            Assert.True(
                detail == "type.googleapis.com/google.rpc.BadRequest"
                    && CurlAnswer.At(error, "details[0].fieldViolations[0].field")?.Length > 0,
                what);
    }

    private static byte[] Exported(CurlAnswer answer, string file) => Bytes(answer.Lines
        .Where(line => CurlAnswer.At(line, "chunk.file") == file)
        .Select(line => line.GetProperty("chunk").GetProperty("data")));

    private static byte[] Bytes(IEnumerable<JsonElement> pieces) =>
        [.. pieces.SelectMany(piece => piece.GetBytesFromBase64())];

    [GeneratedRegex(@"\$([a-z]+)")]
    private static partial Regex Name();
}
