using System.Net;
using System.Net.Http.Headers;
using Grpc.Wire;

namespace Grpc.Net.Client.Internal;

/// <summary>The body of a request; it can be asked for again while nothing of it was sent.</summary>
internal abstract class GrpcContent : HttpContent
{
    private static readonly MediaTypeHeaderValue GrpcType = new(GrpcProtocol.ContentType);

    protected GrpcContent() => Headers.ContentType = GrpcType;

    protected sealed override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected abstract override Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken);

    /// <summary>Without a content-length, as in every gRPC stack.</summary>
    protected sealed override bool TryComputeLength(out long length)
    {
        length = -1;
        return false;
    }
}

/// <summary>One framed message.</summary>
internal sealed class UnaryContent(ReadOnlyMemory<byte> frame) : GrpcContent
{
    private int _isBeingSent;

    /// <summary>Whether the transport may still read the frame, which a call that ended early does not stop at once.</summary>
    public bool IsBeingSent => Volatile.Read(ref _isBeingSent) == 1;

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        Volatile.Write(ref _isBeingSent, 1);
        await stream.WriteAsync(frame, cancellationToken);
        Volatile.Write(ref _isBeingSent, 0);
    }
}

/// <summary>A body that stays open for a stream of messages.</summary>
internal sealed class StreamingContent : GrpcContent
{
    private readonly TaskCompletionSource<Stream> _stream = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Where messages are written, once the request is on its way.</summary>
    public Task<Stream> StreamAsync => _stream.Task;

    /// <summary>Ends the body: half-close.</summary>
    public void Complete()
    {
        _stream.TrySetCanceled();
        _completed.TrySetResult();
    }

    /// <summary>Gives the body up before its end.</summary>
    public void Abort()
    {
        _stream.TrySetCanceled();
        _completed.TrySetCanceled();
    }

    /// <summary>
    /// The first thing is a flush: SocketsHttpHandler keeps the request's headers back until there is one, and a call whose
    /// first message comes late, or never, would not reach the server.
    /// </summary>
    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        await stream.FlushAsync(cancellationToken);
        _stream.TrySetResult(stream);
        await _completed.Task.WaitAsync(cancellationToken);
    }
}
