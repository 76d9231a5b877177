using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Serving.Testing;

/// <summary>
/// A hub as Hugging Face's is, on loopback: its list of files, files in git, and large ones to which it redirects on
/// another port.
/// </summary>
internal sealed class LoopbackHub : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, Repository> _repositories = new(StringComparer.Ordinal);

    private LoopbackHub(WebApplication app) => _app = app;

    /// <summary>Where the list and the files are.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Where large files are.</summary>
    public Uri LargeFiles { get; private set; } = null!;

    /// <summary>What was asked for, in order: "hub main model.safetensors bytes=0-".</summary>
    public ConcurrentQueue<Request> Requests { get; } = [];

    /// <summary>Answers in place of the hub, if it says that it did.</summary>
    public Func<HttpContext, Task<bool>> Instead { get; set; } = static _ => Task.FromResult(false);

    /// <summary>Changes the list of files before it is sent.</summary>
    public Func<string, string> List { get; set; } = static list => list;

    /// <summary>The paths that were asked for.</summary>
    public IEnumerable<string> Paths => Requests.Select(request => request.Path);

    public static async Task<LoopbackHub> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var hub = new LoopbackHub(app);
        app.Run(hub.AnswerAsync);
        await app.StartAsync();
        var addresses = app.Urls.Select(url => new Uri(url)).ToList();
        (hub.Address, hub.LargeFiles) = (addresses[0], addresses[1]);
        return hub;
    }

    /// <summary>A repository with the files of a folder; those of weights are large ones.</summary>
    /// <returns>The commit.</returns>
    public string Add(string id, string folder, string revision = "main", string license = "apache-2.0")
    {
        var files = Directory.GetFiles(folder).ToDictionary(
            path => Path.GetFileName(path), File.ReadAllBytes, StringComparer.Ordinal);
        return Add(id, files, revision, license);
    }

    /// <returns>The commit.</returns>
    public string Add(
        string id, Dictionary<string, byte[]> files, string revision = "main", string license = "apache-2.0")
    {
        var contents = string.Concat(files.OrderBy(file => file.Key, StringComparer.Ordinal)
            .Select(file => file.Key + Sha256(file.Value)));
        var commit = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(contents)));
        _repositories[$"{id}@{revision}"] = _repositories[$"{id}@{commit}"] = new(id, commit, license, files);
        return commit;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        Requests.Enqueue(new(
            path,
            context.Request.Headers.Range.ToString(),
            context.Request.Headers.Authorization.ToString(),
            context.Connection.LocalPort));
        if (await Instead(context))
            return;
        if (context.Connection.LocalPort == LargeFiles.Port)
            await SendAsync(context, _repositories.Values.SelectMany(one => one.Files.Values)
                .FirstOrDefault(file => path == $"/{Sha256(file)}"));
        else if (path.StartsWith("/api/models/", StringComparison.Ordinal))
            await ListAsync(context, path["/api/models/".Length..]);
        else
            await ResolveAsync(context, path);
    }

    private async Task ListAsync(HttpContext context, string path)
    {
        var (id, revision) = path.Split("/revision/") is [var first, var second]
            ? (first, Uri.UnescapeDataString(second))
            : (path, "main");
        if (Find(id, revision) is not { } repository)
        {
            context.Response.StatusCode = _repositories.Values.Any(one => one.Id == id) ? 404 : 401;
            context.Response.Headers["X-Error-Code"] =
                context.Response.StatusCode == 404 ? "RevisionNotFound" : "RepoNotFound";
            return;
        }

        var list = JsonSerializer.Serialize(new
        {
            id = repository.Id,
            sha = repository.Commit,
            cardData = new { license = repository.License, tags = (string[])["one", "two"] },
            siblings = repository.Files.Select(file => IsLarge(file.Key)
                ? (object)new
                {
                    rfilename = file.Key,
                    size = file.Value.Length,
                    blobId = GitBlob(file.Value),
                    lfs = new { sha256 = Sha256(file.Value), size = file.Value.Length, pointerSize = 134 }
                }
                : new { rfilename = file.Key, size = file.Value.Length, blobId = GitBlob(file.Value) })
        });
        await context.Response.WriteAsync(List(list));
    }

    private async Task ResolveAsync(HttpContext context, string path)
    {
        if (path.Split("/resolve/") is not [var id, var rest] || rest.Split('/', 2) is not [var revision, var name]
            || Find(id.TrimStart('/'), revision)?.Files.GetValueOrDefault(name) is not { } file)
            context.Response.StatusCode = 404;
        else if (IsLarge(name))
            context.Response.Redirect(new Uri(LargeFiles, Sha256(file)).AbsoluteUri);
        else
            await SendAsync(context, file);
    }

    /// <remarks>A repository that was renamed is found under its former name, as "bert-base-uncased" is.</remarks>
    private Repository? Find(string id, string revision) => _repositories.GetValueOrDefault($"{id}@{revision}")
        ?? _repositories.FirstOrDefault(one => one.Key.EndsWith($"/{id}@{revision}", StringComparison.Ordinal)).Value;

    /// <summary>Sends a file, or what is asked for of it.</summary>
    public static async Task SendAsync(HttpContext context, byte[]? file)
    {
        if (file is null)
        {
            context.Response.StatusCode = 404;
            return;
        }

        var from = 0;
        if (context.Request.Headers.Range is { Count: > 0 } range)
        {
            from = int.Parse(range.ToString()["bytes=".Length..^1], CultureInfo.InvariantCulture);
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {from}-{file.Length - 1}/{file.Length}";
        }

        context.Response.ContentLength = file.Length - from;
        await context.Response.Body.WriteAsync(file.AsMemory(from));
    }

    private static bool IsLarge(string name) => name.EndsWith(".safetensors", StringComparison.Ordinal);

    private static string Sha256(byte[] file) => Convert.ToHexStringLower(SHA256.HashData(file));

    private static string GitBlob(byte[] file) =>
        Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {file.Length}\0"), .. file]));

    internal sealed record Request(string Path, string Range, string Authorization, int Port);

    private sealed record Repository(string Id, string Commit, string License, Dictionary<string, byte[]> Files);
}
