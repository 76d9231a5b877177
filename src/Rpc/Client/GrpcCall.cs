using System.IO.Pipelines;
using System.Net;
using Grpc.Core;
using Grpc.Net.Compression;
using Grpc.Wire;

namespace Grpc.Net.Client.Internal;

/// <summary>
/// One attempt at a call: one HTTP request and its response. It ends once: by the status that the server sends, by an
/// error, by its deadline, or by being cancelled; whatever comes second is ignored.
/// </summary>
internal sealed class GrpcCall<TRequest, TResponse> : IDisposable
    where TRequest : class
    where TResponse : class
{
    private static readonly StreamPipeReaderOptions PipeOptions = new(bufferSize: 16 * 1024);

    private readonly GrpcChannel _channel;
    private readonly Method<TRequest, TResponse> _method;
    private readonly string? _host;
    private readonly CallOptions _options;
    private readonly DateTime? _deadline;
    private readonly int _previousAttempts;
    private readonly ICompressionProvider? _requestCompression;
    private readonly CancellationTokenSource _cancellation = new();
    private readonly TaskCompletionSource<Metadata> _headers = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private GrpcContent? _content;
    private HttpResponseMessage? _response;
    private PipeReader? _pipe;
    private MessageReader<TResponse>? _reader;
    private CallOutcome? _outcome;
    private CancellationTokenRegistration _callerCancels;
    private CancellationTokenRegistration _parentCancels;
    private CancellationTokenRegistration _channelCancels;
    private ITimer? _deadlineTimer;

    /// <param name="channel">Where it goes.</param>
    /// <param name="method">What it calls.</param>
    /// <param name="host">The authority to ask for; null for the address' own.</param>
    /// <param name="options">What the caller said.</param>
    /// <param name="previousAttempts">How often it was tried before.</param>
    public GrpcCall(
        GrpcChannel channel, Method<TRequest, TResponse> method, string? host, CallOptions options, int previousAttempts)
    {
        _channel = channel;
        _method = method;
        _host = host;
        _options = options;
        _previousAttempts = previousAttempts;
        _deadline = EarliestDeadline(options);
        _requestCompression = channel.FindRequestCompression(options.Headers);
        _ = _headers.Task.ContinueWith(
            static task => _ = task.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    public GrpcChannel Channel => _channel;

    public Method<TRequest, TResponse> Method => _method;

    public WriteOptions? WriteOptions => _options.WriteOptions;

    public ICompressionProvider? RequestCompression => _requestCompression;

    /// <summary>The response's metadata; it fails if the call fails before any.</summary>
    public Task<Metadata> ResponseHeadersAsync => _headers.Task;

    /// <summary>How the call ended; null while it runs.</summary>
    public CallOutcome? Outcome => Volatile.Read(ref _outcome);

    /// <summary>Cancelled when the call ends on this side.</summary>
    public CancellationToken CancellationToken => _cancellation.Token;

    public TResponse? Current => _reader?.Current;

    /// <exception cref="InvalidOperationException">The call still runs.</exception>
    public CallOutcome RequireOutcome() => Outcome ?? throw new InvalidOperationException(
        "The call has not ended, so it has no status and trailers yet; await its response first.");

    /// <summary>Sends the request and waits for the response's headers. Never throws: see <see cref="Outcome"/>.</summary>
    public async Task OpenAsync(GrpcContent content)
    {
        _content = content;
        try
        {
            StartClocks();
            var metadata = await _channel.Credentials.AddToAsync(_options, _method, _cancellation.Token);
            var response = await _channel.Transport.SendAsync(
                address => CreateRequest(address, content, metadata), _options.IsWaitForReady, _cancellation.Token);
            _response = response;
            if (Outcome is not null)
            {
                response.Dispose();
                return;
            }

            TakeHeaders(response);
        }
        catch (Exception exception)
        {
            Finish(CallErrors.ToStatus(exception), trailers: null);
        }
    }

    /// <summary>Reads the only response message and the status after it.</summary>
    /// <returns>Null if the call failed: see <see cref="Outcome"/>.</returns>
    public async Task<TResponse?> ReadSingleAsync()
    {
        if (Outcome is not null || !await ReadAsync(_cancellation.Token))
        {
            FinishWithout("The server sent no message; this kind of call needs exactly one.");
            return null;
        }

        var message = _reader!.Current;
        if (await ReadAsync(_cancellation.Token))
        {
            FinishWithout("The server sent more than one message; this kind of call needs exactly one.");
            return null;
        }

        return Outcome!.Status.StatusCode == StatusCode.OK ? message : null;

        void FinishWithout(string detail)
        {
            var status = new Status(StatusCode.Internal, detail);
            if (!Finish(status, trailers: null) && Outcome!.Status.StatusCode == StatusCode.OK)
            {
                _outcome = new CallOutcome(status, Outcome.Trailers);
            }
        }
    }

    /// <summary>Reads the next response message. False at the end and at a failure: see <see cref="Outcome"/>.</summary>
    public ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        if (_reader is null || Outcome is not null)
        {
            return ValueTask.FromResult(false);
        }

        ValueTask<bool> read;
        try
        {
            read = _reader.ReadAsync(cancellationToken);
        }
        catch (Exception exception)
        {
            Finish(CallErrors.ToStatus(exception), trailers: null);
            return ValueTask.FromResult(false);
        }

        if (!read.IsCompletedSuccessfully)
        {
            return WaitAsync(read);
        }

        var hasMessage = read.Result;
        if (!hasMessage)
        {
            FinishFromTrailers();
        }

        return ValueTask.FromResult(hasMessage);
    }

    /// <summary>The exception that the caller gets for a call that failed.</summary>
    public Exception ToException()
    {
        var outcome = RequireOutcome();
        return outcome.IsLocal && _channel.ThrowOperationCanceledOnCancellation
            && outcome.Status.StatusCode is StatusCode.Cancelled or StatusCode.DeadlineExceeded
            ? new OperationCanceledException(
                outcome.Status.Detail, new RpcException(outcome.Status), _options.CancellationToken)
            : new RpcException(outcome.Status, outcome.Trailers);
    }

    /// <summary>Ends the call on this side; the server is told.</summary>
    public void Cancel(Status status) => Finish(status, trailers: null, isLocal: true);

    public void Dispose() => Cancel(new Status(StatusCode.Cancelled, "The call was disposed of before its end."));

    private static DateTime? EarliestDeadline(CallOptions options)
    {
        var own = options.Deadline is { } deadline && deadline < DateTime.MaxValue ? deadline : (DateTime?)null;
        var parent = (options.PropagationToken as CallPropagationToken)?.Deadline;
        return own is null ? parent : parent is null || own < parent ? own : parent;
    }

    private void StartClocks()
    {
        if (_deadline is { } deadline)
        {
            var left = deadline.ToUniversalTime() - _channel.TimeProvider.GetUtcNow().UtcDateTime;
            if (left <= TimeSpan.Zero)
            {
                Cancel(DeadlineExceeded());
                throw new OperationCanceledException();
            }

            if (left < GrpcChannel.MaxTimerWait)
            {
                _deadlineTimer = _channel.TimeProvider.CreateTimer(
                    static call => ((GrpcCall<TRequest, TResponse>)call!).Cancel(DeadlineExceeded()),
                    this,
                    left,
                    Timeout.InfiniteTimeSpan);
            }
        }

        _callerCancels = _options.CancellationToken.UnsafeRegister(OnCancelled, this);
        _channelCancels = _channel.Disposed.UnsafeRegister(OnCancelled, this);
        if (_options.PropagationToken is CallPropagationToken parent)
        {
            _parentCancels = parent.CancellationToken.UnsafeRegister(OnCancelled, this);
        }

        if (Outcome is not null)
        {
            throw new OperationCanceledException();
        }
    }

    private static void OnCancelled(object? call) =>
        ((GrpcCall<TRequest, TResponse>)call!).Cancel(new Status(StatusCode.Cancelled, "Call canceled by the client."));

    private static Status DeadlineExceeded() =>
        new(StatusCode.DeadlineExceeded, "The deadline passed before the call was complete.");

    private HttpRequestMessage CreateRequest(Uri address, GrpcContent content, Metadata? metadata)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, _channel.UriOf(address, _method))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content
        };
        var headers = request.Headers;
        headers.Host = _host;
        headers.TryAddWithoutValidation("te", "trailers");
        headers.TryAddWithoutValidation("user-agent", GrpcChannel.UserAgent);
        headers.TryAddWithoutValidation(GrpcProtocol.AcceptEncodingHeader, _channel.AcceptEncoding);
        if (_requestCompression is not null)
        {
            headers.TryAddWithoutValidation(GrpcProtocol.EncodingHeader, _requestCompression.EncodingName);
        }

        if (_deadline is { } deadline)
        {
            var left = deadline.ToUniversalTime() - _channel.TimeProvider.GetUtcNow().UtcDateTime;
            headers.TryAddWithoutValidation(GrpcProtocol.TimeoutHeader, GrpcTimeout.Encode(left));
        }

        if (_previousAttempts > 0)
        {
            headers.TryAddWithoutValidation(GrpcProtocol.PreviousAttemptsHeader, $"{_previousAttempts}");
        }

        foreach (var entry in metadata ?? Metadata.Empty)
        {
            if (!GrpcProtocol.IsReserved(entry.Key))
            {
                headers.TryAddWithoutValidation(entry.Key, MetadataCoding.Encode(entry));
            }
        }

        return request;
    }

    private void TakeHeaders(HttpResponseMessage response)
    {
        var metadata = ResponseHeaders.ToMetadata(response.Headers);
        if (ResponseHeaders.FindHttpFailure(response) is { } failure)
        {
            _headers.TrySetResult(metadata);
            Finish(failure, metadata);
            return;
        }

        if (ResponseHeaders.FindStatus(response.Headers) is { } status)
        {
            _headers.TrySetResult(metadata);
            Finish(status, metadata); // Trailers-only: the headers are the trailers.
            return;
        }

        ICompressionProvider? compression = null;
        var encoding = ResponseHeaders.Find(response.Headers, GrpcProtocol.EncodingHeader);
        if (encoding is not null && encoding != GrpcProtocol.Identity)
        {
            compression = _channel.FindCompression(encoding) ?? throw new RpcException(new Status(
                StatusCode.Internal, $"The server compresses with '{encoding}', which was not offered."));
        }

        _pipe = PipeReader.Create(response.Content.ReadAsStream(), PipeOptions);
        _reader = new MessageReader<TResponse>(
            _pipe, _method.ResponseMarshaller.ContextualDeserializer, _channel.MaxReceiveMessageSize, compression);
        _headers.TrySetResult(metadata);
    }

    private async ValueTask<bool> WaitAsync(ValueTask<bool> read)
    {
        try
        {
            if (await read)
            {
                return true;
            }

            FinishFromTrailers();
        }
        catch (Exception exception)
        {
            Finish(CallErrors.ToStatus(exception), trailers: null);
        }

        return false;
    }

    private void FinishFromTrailers()
    {
        try
        {
            var trailers = _response!.TrailingHeaders;
            var status = ResponseHeaders.FindStatus(trailers)
                ?? new Status(StatusCode.Unknown, "The server ended the stream without a grpc-status.");
            _pipe!.Complete();
            Finish(status, ResponseHeaders.ToMetadata(trailers));
        }
        catch (Exception exception)
        {
            Finish(CallErrors.ToStatus(exception), trailers: null);
        }
    }

    private bool Finish(in Status status, Metadata? trailers, bool isLocal = false)
    {
        var outcome = new CallOutcome(status, trailers ?? new Metadata()) { IsLocal = isLocal };
        if (Interlocked.CompareExchange(ref _outcome, outcome, null) is not null)
        {
            return false;
        }

        _headers.TrySetException(new RpcException(status, outcome.Trailers));
        _callerCancels.Dispose();
        _parentCancels.Dispose();
        _channelCancels.Dispose();
        _deadlineTimer?.Dispose();
        var requests = _content as StreamingContent;
        if (trailers is null)
        {
            // Not the server's doing: it must not take what it has for all there is. So the stream is reset, not ended.
            _cancellation.Cancel();
            requests?.Abort();
        }
        else
        {
            requests?.Complete();
            _cancellation.Cancel();
        }

        _response?.Dispose();
        return true;
    }
}

/// <summary>How a call ended.</summary>
internal sealed record CallOutcome(Status Status, Metadata Trailers)
{
    /// <summary>Whether this side ended it.</summary>
    public bool IsLocal { get; init; }
}
