using Google.Protobuf;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests.Wire;

/// <summary>
/// A server for the tests of a class, and what they write on its wire. Nothing that they send is an error of its log.
/// </summary>
public sealed class WireServer : IAsyncLifetime
{
    public const string Classify = "/serving.v1.Classifier/Classify";
    public const string ClassifyStream = "/serving.v1.Classifier/ClassifyStream";
    public const string GetLimits = "/serving.v1.Models/GetLimits";

    private TestServer _server = null!;

    internal TestServer Server => _server;

    public int Port => _server.Port;

    public async Task InitializeAsync() => _server = await TestServer.StartAsync();

    public async Task DisposeAsync()
    {
        await using (_server)
        {
            NothingFailed();
        }
    }

    /// <summary>No errors were logged but Kestrel's about connections that it cut off for too many resets.</summary>
    /// <remarks>
    /// It says when it does so. When such a connection is collected, it sometimes says that its application never
    /// completed, although all of its requests have, with and without what this server does to connections.
    /// </remarks>
    public void NothingFailed()
    {
        var errors = _server.Logs.Errors
            .Where(line => !line.StartsWith("Microsoft.AspNetCore.Server.Kestrel.Http2:", StringComparison.Ordinal)
                && !line.Contains("application never completed", StringComparison.Ordinal))
            .ToList();
        Assert.True(errors.Count == 0, string.Join('\n', errors));
    }

    public Task<Http2Connection> ConnectAsync() => Http2Connection.ConnectAsync(Port);

    /// <summary>On a connection of its own.</summary>
    public async Task NextCallIsAnsweredAsync()
    {
        await using var connection = await ConnectAsync();
        await AnswersAsync(connection, streamId: 1);
        NothingFailed();
    }

    /// <summary>A call on a connection that is still good.</summary>
    public static async Task AnswersAsync(Http2Connection connection, int streamId)
    {
        var frames = await CallAsync(connection, streamId, GetLimits, Frame(0, 0, []));
        Assert.Equal("0", frames[^1].Header("grpc-status"));
    }

    public static async Task<List<Http2Frame>> CallAsync(
        Http2Connection connection, int streamId, string path, byte[] body, params (string Name, string Value)[] more)
    {
        await connection.SendRequestAsync(streamId, path, endStream: false, more);
        await connection.SendDataAsync(streamId, body, endStream: true);
        return await connection.ReadStreamAsync(streamId).Within();
    }

    /// <summary>A message behind its prefix: a flag for compression, four bytes of length.</summary>
    public static byte[] Frame(byte flag, int length, byte[] bytes) =>
        [flag, (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, .. bytes];

    public static byte[] Frame(IMessage message)
    {
        var bytes = message.ToByteArray();
        return Frame(0, bytes.Length, bytes);
    }

    public static ClassifyRequest Request(string text = "a b") =>
        new() { Inputs = { new TextInput { Text = text } }, Tasks = { new TaskReference { Task = "t" } } };
}
