using System.IO.Pipelines;
using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Serving.Server.Http;

/// <summary>
/// A listener inside the process: connections that arrived at an HTTP/1.1 endpoint and turn out to speak HTTP/2 go on
/// here.
/// Kestrel decides by the endpoint which version a connection without TLS speaks.
/// </summary>
internal sealed class Http2Handover : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private readonly Channel<ConnectionContext> _connections = Channel.CreateUnbounded<ConnectionContext>();

    public EndPoint EndPoint { get; } = new HandoverEndPoint();

    public bool CanBind(EndPoint endpoint) => endpoint == EndPoint;

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        new(new Listener(endpoint, _connections));

    /// <returns>When the connection has ended.</returns>
    public Task RunAsync(ConnectionContext connection)
    {
        var handedOver = new HandedOverConnection(connection);
        if (!_connections.Writer.TryWrite(handedOver))
            connection.Abort(new ConnectionAbortedException("The server is stopping."));
        else
            return handedOver.Ended;
        return Task.CompletedTask;
    }

    private sealed class HandoverEndPoint : EndPoint
    {
        public override string ToString() => "http2";
    }

    private sealed class Listener(EndPoint endpoint, Channel<ConnectionContext> connections) : IConnectionListener
    {
        public EndPoint EndPoint => endpoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) =>
            await connections.Reader.WaitToReadAsync(cancellationToken)
                && connections.Reader.TryRead(out var connection)
                ? connection
                : null;

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            connections.Writer.TryComplete();
            return default;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }

    /// <summary>The same connection under an owner of its own, whose disposal only hands it back.</summary>
    private sealed class HandedOverConnection(ConnectionContext inner) : ConnectionContext
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Ended => _ended.Task;

        public override string ConnectionId { get; set; } = inner.ConnectionId;

        public override IFeatureCollection Features { get; } = new FeatureCollection(inner.Features);

        public override IDictionary<object, object?> Items { get; set; } = inner.Items;

        public override IDuplexPipe Transport { get; set; } = inner.Transport;

        public override EndPoint? LocalEndPoint { get; set; } = inner.LocalEndPoint;

        public override EndPoint? RemoteEndPoint { get; set; } = inner.RemoteEndPoint;

        public override CancellationToken ConnectionClosed { get; set; } = inner.ConnectionClosed;

        public override void Abort(ConnectionAbortedException abortReason) => inner.Abort(abortReason);

        public override ValueTask DisposeAsync()
        {
            _ended.TrySetResult();
            return default;
        }
    }
}
