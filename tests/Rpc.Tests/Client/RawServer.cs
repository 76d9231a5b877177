using System.Net;
using System.Net.Sockets;
using Grpc.Net.Client;
using Grpc.Testing;
using Serving.Testing;

namespace Serving.Rpc.Tests.Client;

/// <summary>A server of which the test writes every byte, and a client on it.</summary>
public sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private GrpcChannel? _channel;

    public RawServer() => _listener.Start();

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Whether a client has connected that was not accepted yet.</summary>
    public bool HasPendingConnection => _listener.Pending();

    public TestService.TestServiceClient CreateClient(Action<GrpcChannelOptions>? configure = null)
    {
        var options = new GrpcChannelOptions();
        configure?.Invoke(options);
        _channel = GrpcChannel.ForAddress($"http://127.0.0.1:{Port}", options);
        return new TestService.TestServiceClient(_channel);
    }

    public Task<Http2Connection> AcceptAsync() => Http2Connection.AcceptAsync(_listener).Within();

    /// <summary>Reads frames up to the headers of the next request.</summary>
    public static async Task<Http2Frame> ReadRequestAsync(Http2Connection connection)
    {
        while (await connection.ReadAsync().Within() is { } frame)
        {
            if (frame.Type == Http2FrameType.Headers)
            {
                return frame;
            }
        }

        throw new EndOfStreamException("The client closed the connection.");
    }

    public ValueTask DisposeAsync()
    {
        _channel?.Dispose();
        _listener.Dispose();
        return ValueTask.CompletedTask;
    }
}
