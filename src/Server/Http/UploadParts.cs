using System.Runtime.CompilerServices;
using System.Text;
using Google.Protobuf;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Serving.Server.Http;

/// <summary>Bodies and forms as the messages of an upload: a header, then chunks.</summary>
internal static class UploadParts
{
    private const int ChunkBytes = 256 * 1024;

    /// <summary>The most of a form's field that is not a file.</summary>
    private const int MaxFieldBytes = 64 * 1024;

    private const int MaxBoundaryLength = 70; // RFC 2046, section 5.1.1.

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The header from the route, the query and a form's fields, then the file in chunks.</summary>
    public static async IAsyncEnumerable<V1.UploadDatasetRequest> OfDataset(HttpContext http, string name)
    {
        var header = new V1.DatasetHeader { Name = name };
        var parameters = new MessageParameters(header, inPath: "name");
        parameters.Set(http.Request.Query);
        var file = http.Request.Body;
        var form = Form(http);
        if (form is not null)
            file = await ReadFieldsAsync(form, header, parameters, http.RequestAborted);
        yield return new() { Header = header };
        await foreach (var data in ChunksAsync(file, http.RequestAborted))
            yield return new() { Chunk = data };
        if (form is not null && await form.ReadNextSectionAsync(http.RequestAborted) is not null)
            throw Errors.InvalidArgument(
                "body", "Something comes after the file; put fields before it, and send one file in a call.");
    }

    /// <summary>Reads a form up to its file.</summary>
    private static async Task<Stream> ReadFieldsAsync(
        MultipartReader form, V1.DatasetHeader header, MessageParameters parameters, CancellationToken cancelled)
    {
        while (await form.ReadNextSectionAsync(cancelled) is { } section)
        {
            if (Disposition(section) is { FileName.Length: > 0 } part)
            {
                if (header.Format == V1.DatasetFormat.Unspecified)
                    header.Format = FormatOf(part.FileName.Value!);
                return section.Body;
            }

            var name = Disposition(section).Name.ToString();
            parameters.Set(name, await ReadTextAsync(section, name, cancelled));
        }

        throw Errors.InvalidArgument("body", "The form has no file; send one: curl -F file=@films.tsv ...");
    }

    private static async Task<string> ReadTextAsync(MultipartSection section, string name, CancellationToken cancelled)
    {
        var buffer = new byte[MaxFieldBytes + 1];
        var count = await section.Body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancelled);
        if (count > MaxFieldBytes)
            throw Errors.InvalidArgument(
                name,
                $"It has more than {MaxFieldBytes} bytes. Send a file as one: curl -F file=@films.tsv ...");
        try
        {
            return Utf8.GetString(buffer, 0, count);
        }
        catch (DecoderFallbackException)
        {
            throw Errors.InvalidArgument(name, "It is no UTF-8. Encode the text as UTF-8.");
        }
    }

    /// <summary>The header from the route and the query, then each file of the form in chunks.</summary>
    public static async IAsyncEnumerable<V1.ImportTaskRequest> OfTask(HttpContext http, string task)
    {
        var header = new V1.ImportHeader { Task = task };
        new MessageParameters(header, inPath: "task").Set(http.Request.Query);
        var form = Form(http) ?? throw Errors.InvalidArgument(
            "Content-Type",
            $"It is '{http.Request.ContentType}'; a form with the files task.json, mask.safetensors and "
            + "head.safetensors is needed: curl -F file=@task.json ...");
        yield return new() { Header = header };
        await foreach (var (file, data) in FilesAsync(form, http.RequestAborted))
            yield return new() { Chunk = new() { File = file, Data = data } };
    }

    /// <summary>The header from the route and the query, then each file of the form in chunks.</summary>
    public static async IAsyncEnumerable<V1.ImportModelRequest> OfModel(HttpContext http, string model)
    {
        var header = new V1.ImportModelHeader { Model = model };
        new MessageParameters(header, inPath: "model").Set(http.Request.Query);
        var form = Form(http) ?? throw Errors.InvalidArgument(
            "Content-Type",
            $"It is '{http.Request.ContentType}'; a form with the files of a model is needed: "
            + "curl -F file=@config.json -F file=@vocab.txt -F file=@model.safetensors ...");
        yield return new() { Header = header };
        await foreach (var (file, data) in FilesAsync(form, http.RequestAborted))
            yield return new() { Chunk = new() { File = file, Data = data } };
    }

    private static async IAsyncEnumerable<(string File, ByteString Data)> FilesAsync(
        MultipartReader form, [EnumeratorCancellation] CancellationToken cancelled)
    {
        while (await form.ReadNextSectionAsync(cancelled) is { } section)
        {
            var part = Disposition(section);
            var file = (part.FileName.Length > 0 ? part.FileName : part.Name).ToString();
            await foreach (var data in ChunksAsync(section.Body, cancelled))
                yield return (file, data);
        }
    }

    /// <returns>Null if the body is none.</returns>
    private static MultipartReader? Form(HttpContext http)
    {
        if (!MediaTypeHeaderValue.TryParse(http.Request.ContentType, out var type)
            || !type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
            return null;
        var boundary = HeaderUtilities.RemoveQuotes(type.Boundary).ToString();
        if (boundary.Length is 0 or > MaxBoundaryLength)
        {
            throw Errors.InvalidArgument(
                "Content-Type",
                $"The form's boundary has {boundary.Length} characters; 1 to {MaxBoundaryLength} are needed. "
                + "Leave the header to the client: curl -F file=@films.tsv ...");
        }

        return new(boundary, http.Request.Body) { BodyLengthLimit = null };
    }

    private static ContentDispositionHeaderValue Disposition(MultipartSection section) =>
        section.GetContentDispositionHeader() is { } disposition && disposition.DispositionType == "form-data"
            ? disposition
            : throw Errors.InvalidArgument("body", "A part of the form has no Content-Disposition with a name.");

    /// <summary>As the name says, without its .gz.</summary>
    private static V1.DatasetFormat FormatOf(string file)
    {
        if (file.EndsWith(".gz", StringComparison.OrdinalIgnoreCase))
            file = file[..^3];
        return Path.GetExtension(file).ToLowerInvariant() switch
        {
            ".csv" => V1.DatasetFormat.Csv,
            ".jsonl" or ".ndjson" => V1.DatasetFormat.Jsonl,
            ".txt" => V1.DatasetFormat.Lines,
            _ => V1.DatasetFormat.Tsv
        };
    }

    private static async IAsyncEnumerable<ByteString> ChunksAsync(
        Stream stream, [EnumeratorCancellation] CancellationToken cancelled)
    {
        var buffer = new byte[ChunkBytes];
        while (true)
        {
            var read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancelled);
            if (read == 0)
                yield break;
            yield return ByteString.CopyFrom(buffer, 0, read);
        }
    }
}
