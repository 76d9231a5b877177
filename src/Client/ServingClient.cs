using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Serving.V1;

namespace Serving.Client;

/// <summary>A client of one server or several equal ones. Thread-safe; make one and keep it.</summary>
/// <remarks>Failed calls throw <see cref="RpcException"/>; its GetRpcStatus() has the details.</remarks>
public sealed partial class ServingClient : IDisposable
{
    private const int ChunkBytes = 256 * 1024;

    private const int MostLostConnections = 16;

    private readonly GrpcChannel? _channel; // Null if somebody else has it.
    private readonly TimeProvider _time;

    /// <summary>Connects at the first call.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public ServingClient(ServingClientOptions options)
        : this(CreateChannel(options), options)
    {
    }

    /// <summary>Connects to one server with all defaults.</summary>
    public ServingClient(string address)
        : this(new ServingClientOptions { Addresses = [new Uri(address)] })
    {
    }

    private ServingClient(GrpcChannel channel, ServingClientOptions options)
        : this(channel.CreateCallInvoker(), options) => _channel = channel;

    /// <param name="invoker">Of a channel that somebody else disposes.</param>
    internal ServingClient(CallInvoker invoker, ServingClientOptions options)
    {
        _time = options.Time;
        Address = options.Addresses[0];
        invoker = invoker.Intercept(
            new CallDefaults(options.Timeout, options.Time),
            new AdaptiveThrottle(options.ThrottleMultiplier, options.Time));
        Classifier = new(invoker);
        Embedder = new(invoker);
        Generator = new(invoker);
        Tasks = new(invoker);
        Models = new(invoker);
        Datasets = new(invoker);
        Jobs = new(invoker);
        Health = new(invoker);
    }

    public Classifier.ClassifierClient Classifier { get; }

    public Embedder.EmbedderClient Embedder { get; }

    public Generator.GeneratorClient Generator { get; }

    public Tasks.TasksClient Tasks { get; }

    public Models.ModelsClient Models { get; }

    public Datasets.DatasetsClient Datasets { get; }

    public Jobs.JobsClient Jobs { get; }

    public Health.HealthClient Health { get; }

    /// <summary>That of the server, or of the first of several.</summary>
    internal Uri Address { get; }

    /// <summary>Classifies texts under tasks' "production" versions.</summary>
    public async Task<ClassifyResponse> ClassifyAsync(
        IEnumerable<string> texts, IEnumerable<string> tasks, CancellationToken cancellationToken = default) =>
        await Classifier.ClassifyAsync(
            new()
            {
                Inputs = { texts.Select(text => new TextInput { Text = text }) },
                Tasks = { tasks.Select(task => new TaskReference { Task = task }) }
            },
            cancellationToken: cancellationToken).ConfigureAwait(false);

    /// <summary>Sends inputs as fast as the server takes them; answers come as they are ready, see their ids.</summary>
    public async IAsyncEnumerable<ClassifyStreamResponse> ClassifyStreamAsync(
        IAsyncEnumerable<ClassifyStreamRequest> requests,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var call = Classifier.ClassifyStream(cancellationToken: stop.Token);
        var sending = SendAsync();
        try
        {
            await foreach (var response in call.ResponseStream.ReadAllAsync(stop.Token).ConfigureAwait(false))
                yield return response;
            await sending.ConfigureAwait(false);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false); // Ends the sending, too, when the caller leaves early.
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task SendAsync()
        {
            try
            {
                await foreach (var request in requests.WithCancellation(stop.Token).ConfigureAwait(false))
                    await call.RequestStream.WriteAsync(request, stop.Token).ConfigureAwait(false);
                await call.RequestStream.CompleteAsync().ConfigureAwait(false);
            }
            catch (RpcException)
            {
                // The call has ended; reading its answers says how.
            }
            catch
            {
                await stop.CancelAsync().ConfigureAwait(false); // The requests' source failed: nothing more will come.
                throw;
            }
        }
    }

    /// <summary>All tasks, page by page.</summary>
    public async IAsyncEnumerable<V1.Task> ListTasksAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var token = "";
        do
        {
            var page = await Tasks.ListTasksAsync(new() { PageToken = token }, cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            foreach (var task in page.Tasks)
                yield return task;
            token = page.NextPageToken;
        }
        while (token.Length > 0);
    }

    /// <summary>All jobs, the latest first, page by page.</summary>
    public async IAsyncEnumerable<Job> ListJobsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var token = "";
        do
        {
            var page = await Jobs.ListJobsAsync(new() { PageToken = token }, cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            foreach (var job in page.Jobs)
                yield return job;
            token = page.NextPageToken;
        }
        while (token.Length > 0);
    }

    /// <summary>Uploads a version's folder: task.json, mask.safetensors, head.safetensors.</summary>
    /// <param name="expectedVersion">What it must hash to; null takes any.</param>
    /// <param name="alias">An alias to point at it; null for that of <see cref="ImportHeader.Alias"/>.</param>
    public Task<ImportTaskResponse> ImportTaskAsync(
        string task,
        string folder,
        string? expectedVersion = null,
        string? alias = null,
        IProgress<long>? bytesSent = null,
        CancellationToken cancellationToken = default) => ImportTaskAsync(
        new ImportHeader { Task = task, ExpectedVersion = expectedVersion ?? "", Alias = alias ?? "" },
        folder, bytesSent, cancellationToken);

    /// <summary>Uploads a version's folder: task.json, mask.safetensors, head.safetensors.</summary>
    /// <param name="header">The task, and what becomes of the version.</param>
    public async Task<ImportTaskResponse> ImportTaskAsync(
        ImportHeader header,
        string folder,
        IProgress<long>? bytesSent = null,
        CancellationToken cancellationToken = default)
    {
        using var call = Tasks.ImportTask(cancellationToken: cancellationToken);
        try
        {
            await call.RequestStream.WriteAsync(new() { Header = header }, cancellationToken).ConfigureAwait(false);
            var sent = 0L;
            foreach (var name in VersionDownload.All)
            {
                var chunks = ChunksAsync(Path.Combine(folder, name), cancellationToken);
                await foreach (var data in chunks.ConfigureAwait(false))
                {
                    var part = new ImportTaskRequest { Chunk = new() { File = name, Data = data } };
                    await call.RequestStream.WriteAsync(part, cancellationToken).ConfigureAwait(false);
                    bytesSent?.Report(sent += data.Length);
                }
            }

            await call.RequestStream.CompleteAsync().ConfigureAwait(false);
        }
        catch (RpcException)
        {
            // The server has ended the call; the response says why.
        }

        return await call.ResponseAsync.ConfigureAwait(false);
    }

    /// <summary>Uploads a model: the files of a Hugging Face folder or of an ONNX export of BERT.</summary>
    /// <param name="header">Its name, and what becomes of it.</param>
    /// <param name="path">A folder, or a .onnx file beside its vocabulary.</param>
    /// <param name="bytesSent">Hears how far it is.</param>
    /// <exception cref="IOException">There is no model at the path.</exception>
    public async Task<Model> ImportModelAsync(
        ImportModelHeader header,
        string path,
        IProgress<long>? bytesSent = null,
        CancellationToken cancellationToken = default)
    {
        var files = ModelFolder.Files(path);
        using var call = Models.ImportModel(cancellationToken: cancellationToken);
        try
        {
            await call.RequestStream.WriteAsync(new() { Header = header }, cancellationToken).ConfigureAwait(false);
            var sent = 0L;
            foreach (var (name, file) in files)
            {
                var chunks = ChunksAsync(file, cancellationToken);
                await foreach (var data in chunks.ConfigureAwait(false))
                {
                    var part = new ImportModelRequest { Chunk = new() { File = name, Data = data } };
                    await call.RequestStream.WriteAsync(part, cancellationToken).ConfigureAwait(false);
                    bytesSent?.Report(sent += data.Length);
                }
            }

            await call.RequestStream.CompleteAsync().ConfigureAwait(false);
        }
        catch (RpcException)
        {
            // The server has ended the call; the response says why.
        }

        return (await call.ResponseAsync.ConfigureAwait(false)).Model;
    }

    /// <summary>Uploads a dataset from a file, which may be gzipped.</summary>
    /// <param name="header">Its name, format and columns.</param>
    /// <param name="bytesSent">Hears how far it is.</param>
    public async Task<Dataset> UploadDatasetAsync(
        DatasetHeader header,
        string path,
        IProgress<long>? bytesSent = null,
        CancellationToken cancellationToken = default)
    {
        using var call = Datasets.UploadDataset(cancellationToken: cancellationToken);
        try
        {
            await call.RequestStream.WriteAsync(new() { Header = header }, cancellationToken).ConfigureAwait(false);
            var sent = 0L;
            await foreach (var data in ChunksAsync(path, cancellationToken).ConfigureAwait(false))
            {
                await call.RequestStream.WriteAsync(new() { Chunk = data }, cancellationToken).ConfigureAwait(false);
                bytesSent?.Report(sent += data.Length);
            }

            await call.RequestStream.CompleteAsync().ConfigureAwait(false);
        }
        catch (RpcException)
        {
            // The server has ended the call; the response says why.
        }

        return await call.ResponseAsync.ConfigureAwait(false);
    }

    /// <summary>Downloads a version into a folder, which is made; nothing stays there if it fails.</summary>
    /// <returns>The version.</returns>
    /// <exception cref="IOException">The folder has files of a version already.</exception>
    public async Task<string> ExportTaskAsync(
        TaskReference task,
        string folder,
        IProgress<long>? bytesReceived = null,
        CancellationToken cancellationToken = default)
    {
        using var call = Tasks.ExportTask(new() { Task = task }, cancellationToken: cancellationToken);
        using var files = new VersionDownload(folder);
        var version = "";
        var received = 0L;
        await foreach (var part in call.ResponseStream.ReadAllAsync(cancellationToken).ConfigureAwait(false))
        {
            if (part.Header is { } header)
                version = header.ExpectedVersion;
            if (part.Chunk is not { } chunk)
                continue;
            await files.AppendAsync(chunk.File, chunk.Data.Memory, cancellationToken).ConfigureAwait(false);
            bytesReceived?.Report(received += chunk.Data.Length);
        }

        files.Finish();
        return version;
    }

    /// <summary>Downloads a file that came out of a job.</summary>
    /// <param name="name">As the job lists it.</param>
    /// <param name="path">Replaced if it is there; its folder is made.</param>
    public async Task DownloadArtifactAsync(
        string job, string name, string path, CancellationToken cancellationToken = default)
    {
        using var call = Jobs.DownloadArtifact(new() { Id = job, Name = name }, cancellationToken: cancellationToken);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var temporary = path + ".part";
        var file = File.Create(temporary);
        await using (file.ConfigureAwait(false))
        {
            await foreach (var part in call.ResponseStream.ReadAllAsync(cancellationToken).ConfigureAwait(false))
                await file.WriteAsync(part.Data.Memory, cancellationToken).ConfigureAwait(false);
        }

        File.Move(temporary, path, overwrite: true);
    }

    public void Dispose() => _channel?.Dispose();

    /// <summary>
    /// What happens to a job, until it is over. A lost connection is made again, and goes on where it broke: nothing is
    /// lost and nothing repeated.
    /// </summary>
    /// <param name="cursor">The number of the last event that is known; 0 for all.</param>
    /// <exception cref="RpcException">The server stayed away for about a minute, or the job is not there.</exception>
    public async IAsyncEnumerable<JobEvent> WatchJobAsync(
        string id, long cursor = 0, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var failures = 0;
        while (true)
        {
            using var call = Jobs.WatchJob(new() { Id = id, Cursor = cursor }, cancellationToken: cancellationToken);
            while (true)
            {
                bool hasNext;
                try
                {
                    hasNext = await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false);
                }
                catch (RpcException exception)
                    when (exception.StatusCode == StatusCode.Unavailable && failures < MostLostConnections)
                {
                    break;
                }

                if (!hasNext)
                    yield break;
                failures = 0;
                cursor = call.ResponseStream.Current.Number;
                yield return call.ResponseStream.Current;
            }

            failures++;
            await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(5000, 100 << failures)), _time, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    private static async IAsyncEnumerable<ByteString> ChunksAsync(
        string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var file = File.OpenRead(path);
        await using (file.ConfigureAwait(false))
        {
            var buffer = new byte[ChunkBytes];
            for (int read; (read = await file.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
                yield return ByteString.CopyFrom(buffer, 0, read);
        }
    }

    private static GrpcChannel CreateChannel(ServingClientOptions options)
    {
        options.ThrowUnlessValid();
        var channel = new GrpcChannelOptions { HttpHandler = options.HttpHandler };
        Configure(channel, options);
        return GrpcChannel.ForAddress(Target(options), channel);
    }

    /// <summary>What a channel's address is: that of the server, or the name of all of them.</summary>
    internal static Uri Target(ServingClientOptions options) =>
        options.Addresses.Count == 1 ? options.Addresses[0] : new Uri("static:///serving");

    /// <summary>Retries, balancing and limits.</summary>
    internal static void Configure(GrpcChannelOptions channel, ServingClientOptions options)
    {
        channel.MaxReceiveMessageSize = options.MaxReceiveMessageBytes;
        var service = channel.ServiceConfig = new ServiceConfig();
        if (options.MaxAttempts > 1)
        {
            service.MethodConfigs.Add(new MethodConfig
            {
                Names = { MethodName.Default },
                RetryPolicy = new RetryPolicy
                {
                    MaxAttempts = options.MaxAttempts,
                    InitialBackoff = TimeSpan.FromMilliseconds(50),
                    MaxBackoff = TimeSpan.FromSeconds(2),
                    BackoffMultiplier = 2,
                    RetryableStatusCodes = { StatusCode.Unavailable }
                }
            });
            service.RetryThrottling = new RetryThrottlingPolicy { MaxTokens = options.RetryTokens, TokenRatio = 0.1 };
        }

        if (options.Addresses.Count == 1)
            return;
        var addresses = options.Addresses.Select(address => new BalancerAddress(address.Host, address.Port)).ToList();
        service.LoadBalancingConfigs.Add(new RoundRobinConfig());
        channel.ServiceProvider = new ServiceCollection()
            .AddSingleton<ResolverFactory>(new StaticResolverFactory(_ => addresses))
            .BuildServiceProvider();
        channel.Credentials = options.Addresses[0].Scheme == Uri.UriSchemeHttps
            ? ChannelCredentials.SecureSsl
            : ChannelCredentials.Insecure;
    }
}
