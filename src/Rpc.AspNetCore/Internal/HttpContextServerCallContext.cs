using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Compression;
using Grpc.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>
/// A call: what came in the request's headers, and the response up to its status. A call ends exactly once: by its
/// handler, by its deadline, or by an error; whoever comes second is ignored.
/// </summary>
internal sealed class HttpContextServerCallContext(
    HttpContext httpContext, IMethod method, MethodOptions options, TimeProvider timeProvider, ILogger logger)
    : ServerCallContext
{
    // Guards the response: writing into its pipe and ending it. Never held across an await.
    private readonly Lock _gate = new();

    private Metadata? _requestHeaders;
    private Metadata? _responseTrailers;
    private AuthContext? _authContext;
    private CancellationTokenSource? _cancellation;
    private CallDeadline? _deadline;
    private MessageWriter? _writer;
    private ICompressionProvider? _compression;
    private bool _areHeadersPrepared;
    private bool _hasBody;
    private bool _isEnded;
    private bool _isDeadlineExceeded;

    public HttpContext HttpContext => httpContext;

    public MethodOptions Options => options;

    public ILogger Logger => logger;

    /// <summary>How the request's messages are compressed; null for not at all.</summary>
    public ICompressionProvider? RequestCompression { get; private set; }

    public bool IsDeadlineExceeded => Volatile.Read(ref _isDeadlineExceeded);

    /// <summary>Cancelled at the deadline or when the client goes away; None for a call without a deadline.</summary>
    public CancellationToken DeadlineToken => _deadline is null ? CancellationToken.None : LinkedCancellation().Token;

    protected override string MethodCore => method.FullName;

    protected override string HostCore => httpContext.Request.Host.Value ?? "";

    protected override string PeerCore => PeerInfo.Address(httpContext.Connection);

    protected override DateTime DeadlineCore => _deadline?.Utc ?? DateTime.MaxValue;

    protected override Metadata RequestHeadersCore =>
        _requestHeaders ??= RequestMetadata.Read(httpContext.Request.Headers);

    protected override CancellationToken CancellationTokenCore =>
        _deadline is null ? httpContext.RequestAborted : LinkedCancellation().Token;

    protected override Metadata ResponseTrailersCore => _responseTrailers ??= [];

    protected override Status StatusCore { get; set; } = Status.DefaultSuccess;

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override AuthContext AuthContextCore =>
        _authContext ??= PeerInfo.Authenticate(httpContext.Connection.ClientCertificate);

    public static RpcException DeadlineExceeded() =>
        new(new Status(StatusCode.DeadlineExceeded, "The deadline passed before the call was complete."));

    /// <summary>
    /// What reading the request throws when its stream is gone. Kestrel fails the read before it cancels RequestAborted,
    /// so the exception itself has to say that it is the client who ended the call.
    /// </summary>
    public static Exception OnRequestLost(IOException exception) => exception is BadHttpRequestException
        ? new RpcException(new Status(
            StatusCode.Internal, $"The request could not be read: {exception.Message}", exception))
        : new OperationCanceledException("The client ended the call.", exception);

    /// <summary>Takes in the request's gRPC headers and starts its deadline.</summary>
    /// <exception cref="RpcException">A header is malformed, or names a compression that is not there.</exception>
    public void Start()
    {
        var headers = httpContext.Request.Headers;
        var encoding = headers.GrpcEncoding;
        if (encoding.Count > 0 && !string.Equals(encoding, GrpcProtocol.Identity, StringComparison.OrdinalIgnoreCase))
        {
            RequestCompression = options.FindCompression(encoding.ToString());
            if (RequestCompression is null)
            {
                httpContext.Response.Headers.GrpcAcceptEncoding = options.AcceptEncoding;
                throw new RpcException(new Status(
                    StatusCode.Unimplemented,
                    $"Compression '{encoding}' is not known here; use one of {options.AcceptEncoding}."));
            }
        }

        var timeoutHeader = headers.GrpcTimeout;
        if (timeoutHeader.Count == 0)
        {
            return;
        }

        if (!GrpcTimeout.TryParse(timeoutHeader.ToString(), out var timeout))
        {
            throw new RpcException(new Status(
                StatusCode.Internal,
                $"Malformed {GrpcProtocol.TimeoutHeader} '{timeoutHeader}'; it must be 1 to 8 digits and one of H M S m u n."));
        }

        _deadline = new CallDeadline(timeProvider, timeout);
        if (timeout <= TimeSpan.Zero)
        {
            throw DeadlineExceeded();
        }

        _deadline.Start(OnDeadline);
    }

    /// <summary>Writes a message into the response without flushing it.</summary>
    public void WriteMessage<T>(T message, Action<T, SerializationContext> serializer, WriteOptions? writeOptions)
    {
        lock (_gate)
        {
            if (_isEnded)
            {
                throw IsDeadlineExceeded
                    ? DeadlineExceeded()
                    : new InvalidOperationException("Can't write the message because the call is complete.");
            }

            PrepareHeaders();
            var compression = (writeOptions ?? WriteOptionsCore).Has(WriteFlags.NoCompress) ? null : _compression;
            _writer ??= new MessageWriter(httpContext.Response.BodyWriter, options.MaxSendMessageSize);
            _writer.Write(message, serializer, compression, options.ResponseCompressionLevel);
            _hasBody = true;
        }
    }

    /// <summary>Hands what was written to the connection; waits while the client's flow control says so.</summary>
    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        var flush = httpContext.Response.BodyWriter.FlushAsync(
            cancellationToken.CanBeCanceled ? cancellationToken : DeadlineToken);
        if (!flush.IsCompletedSuccessfully)
        {
            return WaitAsync(flush);
        }

        ThrowIfGone(flush.Result);
        return ValueTask.CompletedTask;

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
        async ValueTask WaitAsync(ValueTask<FlushResult> flush) => ThrowIfGone(await flush);

        void ThrowIfGone(FlushResult result)
        {
            if (result.IsCompleted && httpContext.RequestAborted.IsCancellationRequested)
            {
                throw new OperationCanceledException("The client went away.", httpContext.RequestAborted);
            }
        }
    }

    /// <summary>Ends a call whose handler returned.</summary>
    public void End() => TryEnd(StatusCore, trailers: null);

    /// <summary>Ends a call that failed, with the status that tells the client what it may know.</summary>
    public void Fail(Exception exception)
    {
        var (status, trailers) = FailureStatus(exception);
        if (!TryEnd(status, trailers))
        {
            logger.LogDebug(exception, "{Method} failed after it had ended.", method.FullName);
        }
    }

    /// <summary>Stops the deadline. The deadline's own ending of the response, if it runs, is awaited.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_deadline is not null)
        {
            await _deadline.DisposeAsync();
        }

        _cancellation?.Dispose();
    }

    protected override async Task WriteResponseHeadersAsyncCore(Metadata responseHeaders)
    {
        ArgumentNullException.ThrowIfNull(responseHeaders);
        lock (_gate)
        {
            if (_areHeadersPrepared || _isEnded)
            {
                throw new InvalidOperationException("The response headers were sent; they can be sent only once.");
            }

            PrepareHeaders(responseHeaders);
            _hasBody = true; // From here on the status goes into trailers.
        }

        await httpContext.Response.BodyWriter.FlushAsync();
    }

    protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options)
    {
        options ??= ContextPropagationOptions.Default;
        return new CallPropagationToken(
            options.IsPropagateDeadline && _deadline is not null ? DeadlineCore : null,
            options.IsPropagateCancellation ? CancellationTokenCore : CancellationToken.None);
    }

    private void PrepareHeaders(Metadata? metadata = null)
    {
        if (_areHeadersPrepared)
        {
            return;
        }

        _areHeadersPrepared = true;
        var headers = httpContext.Response.Headers;
        headers.ContentType = GrpcProtocol.ContentType;
        var encoding = options.ResponseCompressionAlgorithm;
        foreach (var entry in metadata ?? Metadata.Empty)
        {
            if (entry.Key == GrpcProtocol.EncodingRequestHeader)
            {
                encoding = entry.Value;
            }
            else if (!GrpcProtocol.IsReserved(entry.Key))
            {
                headers.Append(entry.Key, MetadataCoding.Encode(entry));
            }
        }

        var accepted = httpContext.Request.Headers.GrpcAcceptEncoding;
        if (accepted.Count == 0)
        {
            return;
        }

        headers.GrpcAcceptEncoding = options.AcceptEncoding;
        if (encoding is not null && MessageCompression.Accepts(accepted, encoding)
            && options.FindCompression(encoding) is { } compression)
        {
            _compression = compression;
            headers.GrpcEncoding = compression.EncodingName;
        }
    }

    /// <summary>Writes the status, into trailers, or into the headers of a response that has nothing else to say.</summary>
    private bool TryEnd(in Status status, Metadata? trailers)
    {
        lock (_gate)
        {
            if (_isEnded)
            {
                return false;
            }

            _isEnded = true;
            if (_writer is { IsTorn: true })
            {
                // Part of a message is in the response: no status can make it whole.
                Reset(GrpcProtocol.Http2InternalError);
                return true;
            }

            var destination = httpContext.Response.Headers;
            if (_hasBody)
            {
                destination = httpContext.Features.Get<IHttpResponseTrailersFeature>()!.Trailers;
            }
            else
            {
                destination.ContentType = GrpcProtocol.ContentType;
            }

            WriteStatus(destination, status);
            WriteTrailers(destination, _responseTrailers);
            WriteTrailers(destination, trailers);
            return true;
        }
    }

    private static void WriteStatus(IHeaderDictionary destination, in Status status)
    {
        destination.GrpcStatus = StatusNames.Of(status.StatusCode);
        if (status.Detail.Length > 0)
        {
            destination.GrpcMessage = PercentEncoding.Encode(status.Detail);
        }
    }

    private static void WriteTrailers(IHeaderDictionary destination, Metadata? trailers)
    {
        foreach (var entry in trailers ?? Metadata.Empty)
        {
            if (!GrpcProtocol.IsReserved(entry.Key))
            {
                destination.Append(entry.Key, MetadataCoding.Encode(entry));
            }
        }
    }

    private (Status Status, Metadata? Trailers) FailureStatus(Exception exception)
    {
        switch (exception)
        {
            case RpcException { StatusCode: not StatusCode.OK } rpc:
                if (rpc.Status.DebugException is { } cause)
                {
                    logger.LogInformation(cause, "{Method} ends with {StatusCode}.", method.FullName, rpc.StatusCode);
                }

                return (rpc.Status, rpc.Trailers);
            case OperationCanceledException { InnerException: IOException }:
            case OperationCanceledException or IOException when httpContext.RequestAborted.IsCancellationRequested:
                return (new Status(StatusCode.Cancelled, "The client cancelled the call."), null);
            default:
                logger.LogError(exception, "The handler of {Method} threw an exception.", method.FullName);
                var detail = options.EnableDetailedErrors
                    ? $"Exception was thrown by handler. {exception.GetType().Name}: {exception.Message}"
                    : "Exception was thrown by handler.";
                return (new Status(StatusCode.Unknown, detail), null);
        }
    }

    private CancellationTokenSource LinkedCancellation()
    {
        lock (_gate)
        {
            if (_cancellation is null)
            {
                _cancellation = CancellationTokenSource.CreateLinkedTokenSource(httpContext.RequestAborted);
                if (IsDeadlineExceeded)
                {
                    _cancellation.Cancel();
                }
            }

            return _cancellation;
        }
    }

    private async Task OnDeadline()
    {
        Volatile.Write(ref _isDeadlineExceeded, true);
        var isEndedHere = TryEnd(DeadlineExceeded().Status, trailers: null);
        CancellationTokenSource? cancellation;
        lock (_gate)
        {
            cancellation = _cancellation;
        }

        // The handler learns of it at once, also where the client's flow control holds up the response's end.
        var cancelling = cancellation?.CancelAsync() ?? Task.CompletedTask;
        if (isEndedHere)
        {
            await CompleteResponseAsync();
        }

        await cancelling;
    }

    private async Task CompleteResponseAsync()
    {
        logger.LogDebug("{Method} passed its deadline.", method.FullName);
        try
        {
            await httpContext.Response.CompleteAsync();
            Reset(GrpcProtocol.Http2NoError); // Whatever else the client sends is of no use.
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException
                                          or OperationCanceledException)
        {
            logger.LogDebug(exception, "{Method}: the connection was gone at the deadline.", method.FullName);
        }
    }

    private void Reset(long errorCode) => httpContext.Features.Get<IHttpResetFeature>()?.Reset((int)errorCode);
}
