using System.Net.Sockets;
using System.Text;
using Serving.Client;
using Serving.Testing;
using static Serving.Server.Tests.Wire.WireServer;

namespace Serving.Server.Tests.Wire;

/// <summary>Connections without TLS that speak the other version of HTTP than their port.</summary>
public sealed class ConnectionProtocolTests(WireServer server) : IClassFixture<WireServer>
{
    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")]
    [InlineData("POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")]
    public async Task Http1_OnTheGrpcPort_Gets426AndASentence(string request)
    {
        var answer = await AskAsync(server.Port, request);

        Assert.StartsWith("HTTP/1.1 426 Upgrade Required\r\n", answer, StringComparison.Ordinal);
        Assert.EndsWith(
            "\r\n\r\nThis port speaks gRPC over HTTP/2 only. JSON over HTTP/1.1 has a port of its own.\n",
            answer,
            StringComparison.Ordinal);
        await server.NextCallIsAnsweredAsync();
    }

    [Theory]
    [InlineData("--http-port=-1", "JSON over HTTP/1.1 is turned off; set Server:HttpPort.")]
    [InlineData("--http-port=", "JSON over HTTP/1.1 is on port ")]
    public async Task Http1_OnTheGrpcPort_IsToldWhereToGo(string flag, string sentence)
    {
        if (flag.EndsWith('='))
        {
            var port = FreePort();
            (flag, sentence) = ($"{flag}{port}", $"{sentence}{port}.");
        }

        await using var other = await TestServer.RestartAsync(new DataFolder(), flag);

        Assert.EndsWith(
            $"{sentence}\n", await AskAsync(other.Port, "GET / HTTP/1.1\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Http2_OnTheHttpPort_IsAnswered_ByManyAtOnce()
    {
        var clients = Enumerable.Range(0, 8)
            .Select(_ => new ServingClient($"http://127.0.0.1:{server.Server.HttpPort}"))
            .ToList();

        var limits = await Task.WhenAll(
            clients.Select(client => client.Models.GetLimitsAsync(new()).ResponseAsync)).Within();

        Assert.All(limits, limit => Assert.Equal(256, limit.MaxInputs));
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task Http2_OnTheHttpPort_MayComeByteByByte()
    {
        await using var connection = await Http2Connection.ConnectAsync(server.Server.HttpPort);
        await AnswersAsync(connection, streamId: 1);
        using var tcp = new TcpClient { NoDelay = true };
        await tcp.ConnectAsync("127.0.0.1", server.Server.HttpPort);
        foreach (var one in "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray())
            await tcp.GetStream().WriteAsync(new[] { one });
        await tcp.GetStream().WriteAsync(new byte[] { 0, 0, 0, 4, 0, 0, 0, 0, 0 }); // Empty SETTINGS.

        var frame = new byte[9];
        await tcp.GetStream().ReadExactlyAsync(frame).AsTask().Within();

        Assert.Equal(4, frame[3]); // SETTINGS
    }

    [Fact]
    public async Task Http2_OnTheHttpPort_FinishesItsCall_AndGoesAway_WhenTheServerStops()
    {
        await using var other = await TestServer.StartAsync();
        other.Backend.Close();
        await using var connection = await Http2Connection.ConnectAsync(other.HttpPort);
        await connection.SendRequestAsync(1, Classify);
        await connection.SendDataAsync(1, Frame(Request()), endStream: true);
        await other.PassBeganAsync();

        var stopping = other.StopAsync();
        await DrainTests.FinishesAfterGoAwayAsync(connection, stopping, other.Backend.Open);

        await connection.DisposeAsync();
        await stopping.Within();
        Assert.Empty(other.Logs.Errors);
    }

    private static async Task<string> AskAsync(int port, string request)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync("127.0.0.1", port);
        await tcp.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(tcp.GetStream());
        return await reader.ReadToEndAsync().Within();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }
}
