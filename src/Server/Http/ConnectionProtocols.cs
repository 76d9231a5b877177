using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Serving.Server.Http;

/// <summary>What becomes of a connection without TLS that speaks the other version of HTTP than its endpoint.</summary>
internal static class ConnectionProtocols
{
    /// <summary>How long a connection may take to say what it speaks, as Kestrel allows for headers.</summary>
    private static readonly TimeSpan FirstBytesTimeout = TimeSpan.FromSeconds(30);

    private enum Protocol
    {
        /// <summary>Nothing came, or neither: Kestrel deals with it.</summary>
        Other,
        Http1,
        Http2
    }

    /// <summary>HTTP/1.1 on the port for gRPC gets 426 and a sentence, not a closed connection.</summary>
    public static void RefuseHttp1(this ListenOptions endpoint, int? httpPort, TimeProvider time) =>
        endpoint.Use(next => async connection =>
    {
        if (await DetectAsync(connection, time) != Protocol.Http1)
        {
            await next(connection);
            return;
        }

        var other = httpPort switch
        {
            null => "JSON over HTTP/1.1 is turned off; set Server:HttpPort.",
            0 => "JSON over HTTP/1.1 has a port of its own.",
            _ => $"JSON over HTTP/1.1 is on port {httpPort}."
        };
        var sentence = $"This port speaks gRPC over HTTP/2 only. {other}\n";
        var answer = $"HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n"
            + $"Content-Type: text/plain\r\nContent-Length: {sentence.Length}\r\n\r\n{sentence}";
        await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes(answer));
        await connection.Transport.Output.CompleteAsync();
    });

    /// <summary>HTTP/2 with prior knowledge is answered on a port for HTTP/1.1, too.</summary>
    public static void TakeHttp2(this ListenOptions endpoint, Http2Handover handover, TimeProvider time) =>
        endpoint.Use(next => async connection =>
            await (
                await DetectAsync(connection, time) == Protocol.Http2
                    ? handover.RunAsync(connection)
                    : next(connection)));

    /// <summary>Looks at a connection's first bytes and leaves them where they are.</summary>
    private static async Task<Protocol> DetectAsync(ConnectionContext connection, TimeProvider time)
    {
        using var timeout = new CancellationTokenSource(FirstBytesTimeout, time);
        var stopping =
            connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(
            timeout.Token, stopping, connection.ConnectionClosed);
        var input = connection.Transport.Input;
        try
        {
            var minimum = 1;
            while (true)
            {
                var result = await input.ReadAtLeastAsync(minimum, stop.Token);
                var protocol = Detect(result.Buffer);
                minimum = (int)result.Buffer.Length + 1;
                input.AdvanceTo(result.Buffer.Start);
                if (protocol is { } detected)
                    return detected;
                if (result.IsCompleted)
                    return Protocol.Other;
            }
        }
        catch (OperationCanceledException)
        {
            connection.Abort(new ConnectionAbortedException("The connection sent nothing."));
            return Protocol.Other;
        }
        catch (IOException)
        {
            return Protocol.Other; // The client reset the connection.
        }
    }

    /// <returns>Null while too little has come.</returns>
    private static Protocol? Detect(ReadOnlySequence<byte> bytes)
    {
        ReadOnlySpan<byte> preface = "PRI * HTTP/2.0"u8; // RFC 9113, section 3.4.
        Span<byte> first = stackalloc byte[preface.Length];
        var count = (int)Math.Min(bytes.Length, first.Length);
        bytes.Slice(0, count).CopyTo(first);
        first = first[..count];
        if (preface.StartsWith(first))
            return count == preface.Length ? Protocol.Http2 : null;
        return char.IsAsciiLetterUpper((char)first[0]) ? Protocol.Http1 : Protocol.Other;
    }
}
