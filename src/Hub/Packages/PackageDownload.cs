using System.Net;
using NuGet.Common;
using NuGet.Protocol;
using NuGet.Protocol.Core.Types;
using NuGet.Versioning;
using Serving.Hub.Sources;

namespace Serving.Hub.Packages;

/// <summary>
/// Brings a package from one source, with NuGet's own client, which has its credentials and proxies. From sources of
/// version 3 it goes on where an earlier try ended.
/// </summary>
internal sealed class PackageDownload(SourceRepository source, string id, NuGetVersion version)
{
    private const int BufferBytes = 128 * 1024;

    private static readonly ILogger Log = NullLogger.Instance;

    private long _received;

    /// <returns>Whether the source has the package.</returns>
    /// <exception cref="FatalProtocolException">The source can't be asked.</exception>
    public async Task<bool> TryFetchAsync(
        ModelDraft draft, string part, DownloadMeter meter, Retries retries, CancellationToken cancellationToken)
    {
        using var cache = new SourceCacheContext { NoCache = true, DirectDownload = true };
        if (source.PackageSource.IsHttp
            && await source.GetResourceAsync<ServiceIndexResourceV3>(cancellationToken) is { } index
            && index.GetServiceEntryUri(ServiceTypes.PackageBaseAddress) is { } packages
            && await source.GetResourceAsync<HttpSourceResource>(cancellationToken) is { HttpSource: var http })
        {
            var (name, number) = (id.ToLowerInvariant(), version.ToNormalizedString().ToLowerInvariant());
            var uri = $"{packages.AbsoluteUri.TrimEnd('/')}/{name}/{number}/{name}.{number}.nupkg";
            meter.Add(draft.PartBytes(part));
            return await retries.RunAsync(
                () => ReceiveAsync(http, uri, cache, draft, part, meter, cancellationToken),
                () => _received, meter.Tell, cancellationToken);
        }

        if (await source.GetResourceAsync<FindPackageByIdResource>(cancellationToken) is not { } byId
            || !await byId.DoesPackageExistAsync(id, version, cache, Log, cancellationToken))
            return false;
        draft.DropPart(part);
        await using var file = draft.AppendPart(part);
        return await byId.CopyNupkgToStreamAsync(id, version, file, cache, Log, cancellationToken);
    }

    private Task<bool> ReceiveAsync(
        HttpSource http, string uri, SourceCacheContext cache, ModelDraft draft, string part, DownloadMeter meter,
        CancellationToken cancellationToken)
    {
        var present = draft.PartBytes(part);
        var request = new HttpSourceRequest(
            () =>
            {
                var message = HttpRequestMessageFactory.Create(HttpMethod.Get, uri, Log);
                if (present > 0)
                    message.Headers.Range = new(present, to: null);
                return message;
            });
        return http.ProcessResponseAsync(
            request, response => CopyAsync(response, present, draft, part, meter, cancellationToken), cache, Log,
            cancellationToken);
    }

    private async Task<bool> CopyAsync(
        HttpResponseMessage response, long present, ModelDraft draft, string part, DownloadMeter meter,
        CancellationToken cancellationToken)
    {
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && present > 0)
            return true; // It is complete, or else no package.
        if (response.StatusCode == HttpStatusCode.NotFound)
            return false;
        response.EnsureSuccessStatusCode();
        if (present > 0 && response.StatusCode != HttpStatusCode.PartialContent)
        {
            meter.Add(-present);
            draft.DropPart(part);
            present = 0; // It sends all.
        }

        var total = present + response.Content.Headers.ContentLength;
        meter.TotalBytes = total ?? 0;
        var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        await using var file = draft.AppendPart(part);
        var buffer = new byte[BufferBytes];
        for (int read; (read = await ReadAsync(body, buffer, cancellationToken)) > 0;)
        {
            await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            await file.FlushAsync(cancellationToken); // A server that is killed goes on from here.
            present += read;
            _received += read;
            meter.Add(read);
        }

        return present >= (total ?? 0)
            ? true
            : throw new TransientException($"'{source.PackageSource.Name}' sent {present} of {total} bytes of {id}");
    }

    private async Task<int> ReadAsync(Stream body, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await body.ReadAsync(buffer, cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or TimeoutException)
        {
            throw new TransientException($"the connection to '{source.PackageSource.Name}' broke off");
        }
    }
}
