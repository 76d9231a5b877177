using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;
using Serving.Models;
using Serving.Models.Versions;
using Serving.Server.Services;

namespace Serving.Server.Http;

/// <summary>Files over HTTP, as themselves: what gRPC sends in streams of chunks, for which JSON has no form.</summary>
/// <remarks>
/// They run the services' own methods behind the same interceptor, so that checks, metrics and errors are the same.
/// </remarks>
internal static class FileEndpoints
{
    private static readonly string[] FileNames =
        [VersionFiles.ManifestFile, VersionFiles.MaskFile, VersionFiles.HeadFile];

    /// <summary>For the form's description; others are taken, too.</summary>
    private static readonly string[] ModelNames =
    [
        ModelFiles.Config, ModelFiles.Vocabulary, ModelFiles.Tokenizer, ModelFiles.TokenizerConfig, ModelFiles.Weights,
        ModelFiles.Onnx
    ];

    public static void MapFiles(this WebApplication app)
    {
        app.MapPost("/v1/datasets/{name}", UploadDatasetAsync)
            .WithTags("Datasets")
            .WithSummary("Uploads a dataset: a file as the body, or as a part of a form after the header's fields.")
            .WithMetadata(new FileRoute("Datasets_UploadDataset")
            {
                Answer = typeof(V1.Dataset),
                Header = typeof(V1.DatasetHeader),
                InPath = "name",
                Body = "The file itself, with the header's fields as parameters; or a form, with fields first and the "
                    + "file last. Gzipped files are unzipped.",
                Files = ["file"],
                TakesFields = true
            });
        app.MapPost("/v1/tasks/{task}/versions", ImportTaskAsync)
            .WithTags("Tasks")
            .WithSummary("Imports a task version: task.json, mask.safetensors and head.safetensors as parts of a form.")
            .WithMetadata(new FileRoute("Tasks_ImportTask")
            {
                Answer = typeof(V1.ImportTaskResponse),
                Header = typeof(V1.ImportHeader),
                InPath = "task",
                Body = "A form with the three files. A part's file name says which it is, or its own name without one.",
                Files = FileNames
            });
        app.MapPost("/v1/models/{model}/files", ImportModelAsync)
            .WithTags("Models")
            .WithSummary("Imports a model: the files of a Hugging Face folder or of an ONNX export as parts of a form.")
            .WithMetadata(new FileRoute("Models_ImportModel")
            {
                Answer = typeof(V1.ImportModelResponse),
                Header = typeof(V1.ImportModelHeader),
                InPath = "model",
                Body = "A form with the files. A part's file name says which it is, or its own name without one.",
                Files = ModelNames
            });
        app.MapGet("/v1/tasks/{task}/versions/{version}/files/{file}", ExportFileAsync)
            .WithTags("Tasks")
            .WithSummary("Downloads a file of a task version.")
            .WithMetadata(new FileRoute("Tasks_ExportFile"));
        app.MapGet("/v1/jobs/{id}/artifacts/{**name}", DownloadArtifactAsync)
            .WithTags("Jobs")
            .WithSummary("Downloads an artifact of a job.")
            .WithMetadata(new FileRoute("Jobs_DownloadFile"));
    }

    private static Task UploadDatasetAsync(
        HttpContext http, string name, DatasetsService service, ServingInterceptor interceptor) =>
        UploadAsync(
            http,
            "serving.v1.Datasets/UploadDataset",
            UploadParts.OfDataset(http, name),
            service.UploadDataset,
            interceptor);

    private static Task ImportTaskAsync(
        HttpContext http, string task, TasksService service, ServingInterceptor interceptor) =>
        UploadAsync(
            http, "serving.v1.Tasks/ImportTask", UploadParts.OfTask(http, task), service.ImportTask, interceptor);

    private static Task ImportModelAsync(
        HttpContext http, string model, ModelsService service, ServingInterceptor interceptor) =>
        UploadAsync(
            http, "serving.v1.Models/ImportModel", UploadParts.OfModel(http, model), service.ImportModel, interceptor);

    private static Task ExportFileAsync(
        HttpContext http,
        string task,
        string version,
        string file,
        TasksService service,
        ServingInterceptor interceptor)
    {
        var request = new V1.ExportTaskRequest { Task = new() { Task = task, Version = version } };
        return DownloadAsync<V1.ExportTaskRequest, V1.ExportTaskResponse>(
            http,
            "serving.v1.Tasks/ExportTask",
            request,
            file,
            FileNames,
            service.ExportTask,
            part => part.Chunk?.File == file ? part.Chunk.Data : null,
            interceptor);
    }

    private static Task DownloadArtifactAsync(
        HttpContext http, string id, JobsService service, ServingInterceptor interceptor, string name = "") =>
        DownloadAsync<V1.DownloadArtifactRequest, V1.DownloadArtifactResponse>(
            http,
            "serving.v1.Jobs/DownloadArtifact",
            new V1.DownloadArtifactRequest { Id = id, Name = name },
            name,
            files: [],
            service.DownloadArtifact,
            part => part.Data,
            interceptor);

    private static async Task UploadAsync<TRequest, TResponse>(
        HttpContext http,
        string method,
        IAsyncEnumerable<TRequest> parts,
        ClientStreamingServerMethod<TRequest, TResponse> handler,
        ServingInterceptor interceptor)
        where TRequest : class
        where TResponse : class, IMessage
    {
        // The service has a limit of its own.
        http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
        var reader = new PartReader<TRequest>(parts);
        try
        {
            var response = await interceptor.ClientStreamingServerHandler(
                reader, new HttpCallContext(http, $"/{method}"), handler);
            http.Response.ContentType = "application/json; charset=utf-8";
            await http.Response.WriteAsync(HttpApi.Json.Format(response));
        }
        catch (RpcException error)
        {
            await HttpErrors.WriteAsync(http, error);
        }
        finally
        {
            await reader.DisposeAsync();
        }
    }

    /// <param name="files">Those that there are, for the error if the file is none of them.</param>
    private static async Task DownloadAsync<TRequest, TResponse>(
        HttpContext http,
        string method,
        TRequest request,
        string name,
        string[] files,
        ServerStreamingServerMethod<TRequest, TResponse> handler,
        Func<TResponse, ByteString?> data,
        ServingInterceptor interceptor)
        where TRequest : class
        where TResponse : class
    {
        var writer = new FileWriter<TResponse>(http, name, data);
        try
        {
            JsonMessageCheck.ThrowIfParameters(http.Request.Query);
            await interceptor.ServerStreamingServerHandler(
                request, writer, new HttpCallContext(http, $"/{method}"), handler);
            if (!writer.HasFile)
                throw Errors.NotFound("file", name, files);
        }
        catch (RpcException error) when (!http.Response.HasStarted)
        {
            await HttpErrors.WriteAsync(http, error);
        }
        catch (RpcException)
        {
            http.Abort(); // A file that ends early must not look whole.
        }
    }

    /// <summary>An upload's messages as a service reads them.</summary>
    private sealed class PartReader<T>(IAsyncEnumerable<T> parts) : IAsyncStreamReader<T>, IAsyncDisposable
    {
        private readonly IAsyncEnumerator<T> _parts = parts.GetAsyncEnumerator();

        public T Current => _parts.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            try
            {
                return await _parts.MoveNextAsync();
            }
            catch (Exception exception) when (exception is BadHttpRequestException or InvalidDataException)
            {
                throw Errors.InvalidArgument("body", $"It can't be read: {exception.Message}");
            }
            catch (IOException)
            {
                throw Errors.InvalidArgument(
                    "body",
                    "It ends too early, or it is a form with another boundary than Content-Type says. Send it again.");
            }
        }

        public ValueTask DisposeAsync() => _parts.DisposeAsync();
    }

    /// <summary>Writes the bytes of a download's messages as the response's body.</summary>
    private sealed class FileWriter<T>(HttpContext http, string name, Func<T, ByteString?> data)
        : IServerStreamWriter<T>
    {
        public bool HasFile { get; private set; }

        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(T message) => WriteAsync(message, http.RequestAborted);

        public async Task WriteAsync(T message, CancellationToken cancellationToken)
        {
            if (data(message) is not { } bytes)
                return;
            if (!HasFile)
                Begin();
            await http.Response.Body.WriteAsync(bytes.Memory, cancellationToken);
        }

        /// <summary>Nothing in a file that comes out of a job runs as a page of this server's.</summary>
        private void Begin()
        {
            HasFile = true;
            var headers = http.Response.Headers;
            headers.XContentTypeOptions = "nosniff";
            headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
            headers.ContentType = Path.GetExtension(name) switch
            {
                ".json" => "application/json",
                ".svg" => "image/svg+xml",
                ".txt" => "text/plain; charset=utf-8",
                _ => "application/octet-stream"
            };
        }
    }
}
