using System.Net;
using Serving.Hub.Sources;
using Serving.Storage;

namespace Serving.Hub.HuggingFace;

/// <summary>Brings one file into a draft: goes on where an earlier try ended, and checks size and digest.</summary>
internal sealed class HubDownload(HubClient client, Uri uri, HubFile file, ModelDraft draft, DownloadMeter meter)
{
    private const int BufferBytes = 128 * 1024;

    private long _received;

    /// <exception cref="DomainException">
    /// The file is not what the hub announced, or nobody answers any more.
    /// </exception>
    /// <exception cref="HubStatusException">The hub refuses.</exception>
    public async Task RunAsync(Retries retries, CancellationToken cancellationToken)
    {
        meter.Begin(file.Name);
        if (draft.Has(file.Name))
        {
            meter.Add(file.Bytes);
            return;
        }

        var found = draft.PartBytes(file.Name);
        meter.Add(found);
        // What an earlier try left may not be what it wrote: the machine may have stopped.
        if (!await IsReceivedAsync() && (found == 0 || !await IsReceivedAsync()))
            throw NotAsAnnounced($"its digest is not {file.Digest.Value}");
        draft.FinishPart(file.Name);

        async Task<bool> IsReceivedAsync()
        {
            await retries.RunAsync(
                () => ReceiveAsync(cancellationToken), () => _received, meter.Tell, cancellationToken);
            if (await HasDigestAsync(cancellationToken))
                return true;
            Drop();
            return false;
        }
    }

    private async Task<bool> ReceiveAsync(CancellationToken cancellationToken)
    {
        var present = draft.PartBytes(file.Name);
        if (present > file.Bytes)
            present = Drop();
        if (present > 0 && present == file.Bytes)
            return true;
        using var response = await client.GetAsync(uri, present, cancellationToken);
        if (present > 0 && response.StatusCode != HttpStatusCode.PartialContent)
            present = Drop(); // It sends all.
        if (response.StatusCode == HttpStatusCode.PartialContent
            && response.Content.Headers.ContentRange?.From != present)
            throw NotAsAnnounced("the hub sends another part than was asked for");
        if (response.Content.Headers.ContentLength is { } length && present + length != file.Bytes)
            throw NotAsAnnounced($"the hub listed it with {file.Bytes} bytes, and sends {present + length}");
        await CopyAsync(response, present, cancellationToken);
        return true;
    }

    private async Task CopyAsync(HttpResponseMessage response, long present, CancellationToken cancellationToken)
    {
        var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        await using var part = draft.AppendPart(file.Name);
        var buffer = new byte[BufferBytes];
        for (int read; (read = await client.ReadAsync(body, buffer, cancellationToken)) > 0;)
        {
            present += read;
            if (present > file.Bytes)
                throw NotAsAnnounced($"the hub listed it with {file.Bytes} bytes, and sends more");
            await part.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            await part.FlushAsync(cancellationToken); // A server that is killed goes on from here.
            _received += read;
            meter.Add(read);
        }

        draft.Files.Flush(part);
        if (present < file.Bytes)
            throw new TransientException($"the hub {client.Host} sent {present} of {file.Bytes} bytes of {file.Name}");
    }

    private async Task<bool> HasDigestAsync(CancellationToken cancellationToken)
    {
        await using var part = draft.ReadPart(file.Name);
        using var hash = file.Digest.Begin(file.Bytes);
        var buffer = new byte[BufferBytes];
        for (int read; (read = await part.ReadAsync(buffer, cancellationToken)) > 0;)
            hash.AppendData(buffer, 0, read);
        return Convert.ToHexStringLower(hash.GetHashAndReset()) == file.Digest.Value;
    }

    /// <returns>What is left, in bytes.</returns>
    private int Drop()
    {
        meter.Add(-draft.PartBytes(file.Name));
        draft.DropPart(file.Name);
        return 0;
    }

    private DomainException NotAsAnnounced(string found)
    {
        Drop();
        return DomainException.Corrupted(
            file.Name, $"{client.Host} sends a {file.Name} that is not the one it listed: {found}",
            remedy: "try again; if it stays so, the hub or something on the way to it is at fault");
    }
}
