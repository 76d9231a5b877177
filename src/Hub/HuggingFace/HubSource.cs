using System.Text.RegularExpressions;
using Serving.Hub.Sources;
using Serving.Storage;

namespace Serving.Hub.HuggingFace;

/// <summary>Repositories of the Hugging Face hub, as "bert-base-uncased" or "OWNER/NAME".</summary>
public sealed partial class HubSource : IModelSource, IDisposable
{
    private const string DefaultRevision = "main";
    private const int MostListBytes = 32 << 20;
    private const int MaxRevisionLength = 256;

    private readonly HttpMessageInvoker _http;
    private readonly HubClient _client;
    private readonly TimeProvider _time;

    public HubSource(HubOptions options, TimeProvider time)
        : this(options, time, HubClient.CreateHandler())
    {
    }

    /// <param name="handler">Sends the requests, and neither redirects nor decompresses; it is disposed.</param>
    internal HubSource(HubOptions options, TimeProvider time, HttpMessageHandler handler)
    {
        _http = new(handler);
        _client = new(options, _http, time);
        _time = time;
    }

    public bool Has(string source) => !source.Contains(':', StringComparison.Ordinal);

    public string DefaultName(string source) => source[(source.LastIndexOf('/') + 1)..];

    public bool IsLatest(ModelOrigin present, string source, string revision)
    {
        var requested = revision.Length > 0 ? revision : DefaultRevision;
        var isSame = present.Source == source || present.Source.EndsWith($"/{source}", StringComparison.Ordinal);
        return isSame && (present.Revision == requested
            || (_client.Options.IsOffline && present.Requested == requested));
    }

    public async Task<PinnedModel> PinAsync(
        string source, string revision, IProgress<PullProgress> progress, CancellationToken cancellationToken)
    {
        revision = revision.Length > 0 ? revision : DefaultRevision;
        ThrowUnlessValid(source, revision);
        if (_client.Options.IsOffline)
        {
            throw DomainException.FailedPrecondition(
                "HF_HUB_OFFLINE",
                $"The server was told by HF_HUB_OFFLINE not to ask {_client.Host}",
                remedy: "unset it and start the server again, or import a folder with 'serving models import'");
        }

        var repository = await ListAsync(source, revision, progress, cancellationToken);
        var origin = new ModelOrigin(
            repository.Id, revision, repository.Commit, repository.License,
            _client.At($"/{repository.Id}").AbsoluteUri);
        return new HubModel(origin, repository, _client, _time);
    }

    public void Dispose() => _http.Dispose();

    private async Task<HubRepository> ListAsync(
        string source, string revision, IProgress<PullProgress> progress, CancellationToken cancellationToken)
    {
        var uri = _client.At($"/api/models/{source}/revision/{Uri.EscapeDataString(revision)}?blobs=true");
        try
        {
            var answer = await _client.Retries.RunAsync(
                async () =>
                {
                    using var response = await _client.GetAsync(uri, first: 0, cancellationToken);
                    return await _client.ReadAsync(response, MostListBytes, cancellationToken);
                },
                progress: () => 0,
                note => progress.Report(new(PullPhase.Resolving, Note: note)),
                cancellationToken);
            var repository = HubRepository.Parse(answer);
            return Id().IsMatch(repository.Id)
                ? repository
                : throw new InvalidDataException("it names the repository as none can be named");
        }
        catch (HubStatusException exception)
        {
            throw HubRefusals.Of(exception, _client, source, revision);
        }
        catch (InvalidDataException exception)
        {
            throw DomainException.Corrupted(
                source, $"What {_client.Host} says of '{source}' can't be used: {exception.Message}",
                remedy: "see that HF_ENDPOINT is a hub", innerException: exception);
        }
    }

    private static void ThrowUnlessValid(string source, string revision)
    {
        if (!Id().IsMatch(source) || source.Contains("..", StringComparison.Ordinal))
        {
            throw DomainException.Invalid(
                "source", $"'{source}' is no repository of the hub",
                "a name such as bert-base-uncased or sentence-transformers/all-MiniLM-L6-v2 is needed");
        }

        if (revision.Length > MaxRevisionLength || revision.Contains("..", StringComparison.Ordinal)
            || revision.Any(c => c is <= ' ' or >= '\x7f' or '\\' or '?' or '*' or '[' or '^' or '~' or ':'))
        {
            throw DomainException.Invalid(
                "revision", "This can't be a revision", "a branch, a tag or a commit is needed");
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?\z")]
    private static partial Regex Id();
}
