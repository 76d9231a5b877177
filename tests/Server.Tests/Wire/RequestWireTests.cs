using System.IO.Compression;
using Google.Protobuf;
using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.Wire.WireServer;

namespace Serving.Server.Tests.Wire;

/// <summary>What the server makes of requests as they stand on the wire, right and wrong.</summary>
public sealed class RequestWireTests(WireServer server) : IClassFixture<WireServer>
{
    public static TheoryData<string, byte[], string, int, string> MalformedBodies => new()
    {
        { Classify, [], "", 13, "Incomplete message" }, // nothing before the end
        { Classify, [0], "", 13, "Incomplete message" }, // a flag and no length
        { Classify, [0, 0, 0], "", 13, "Incomplete message" }, // half a length
        { Classify, [0, 0, 0, 0, 2, 8], "", 13, "Incomplete message" }, // 2 bytes announced, 1 there
        { Classify, [2, 0, 0, 0, 0], "", 2, "" }, // no such flag
        { Classify, [0, 0xFF, 0xFF, 0xFF, 0xFF], "", 2, "" }, // 4 GiB announced
        { Classify, [0, 0x7F, 0xFF, 0xFF, 0xFF], "", 8, "exceeds the maximum" }, // 2 GiB announced
        { Classify, [0, 0, 0x40, 0, 1], "", 8, "exceeds the maximum" }, // one byte over 4 MiB
        { Classify, [1, 0, 0, 0, 0], "", 13, "grpc-encoding" }, // compressed with nothing
        { Classify, [1, 0, 0, 0, 4, 7, 7, 7, 7], "gzip", 2, "" }, // 07 begins no gzip
        { Classify, [1, 0, 0, 0, 4, 7, 7, 7, 7], "deflate", 2, "" },
        { ClassifyStream, [1, 0, 0, 0, 4, 7, 7, 7, 7], "gzip", 13, "no gRPC: " },
        { ClassifyStream, [1, 0, 0, 0, 4, 7, 7, 7, 7], "deflate", 13, "no gRPC: " },
        { Classify, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "", 13, "Additional data" },
        { Classify, [0, 0, 0, 0, 1, 0xFF], "", 13, "no ClassifyRequest" }, // FF is a broken tag
        // field 1 of 127 bytes that aren't there
        { Classify, [0, 0, 0, 0, 2, 0x0A, 0x7F], "", 13, "no ClassifyRequest" },
        { GetLimits, [0, 0, 0, 0, 1, 0xFF], "", 13, "no GetLimitsRequest" },
        { "/serving.v1.Tasks/GetTask", [0, 0, 0, 0, 1, 0xFF], "", 13, "no GetTaskRequest" },
        { "/serving.v1.Datasets/GetDataset", [0, 0, 0, 0, 1, 0xFF], "", 13, "no GetDatasetRequest" },
        { "/serving.v1.Jobs/GetJob", [0, 0, 0, 0, 1, 0xFF], "", 13, "no GetJobRequest" },
        { "/serving.v1.Tasks/ImportTask", [0, 0, 0, 0, 1, 0xFF], "", 13, "no ImportTaskRequest" },
        { "/serving.v1.Tasks/ImportTask", [2, 0, 0, 0, 0], "", 13, "no gRPC: Unexpected compressed flag" },
        { "/serving.v1.Tasks/ImportTask", [0, 0xFF, 0xFF, 0xFF, 0xFF], "", 13, "no gRPC: Message too large" },
        { ClassifyStream, [0, 0, 0, 0, 1, 0xFF], "", 13, "no ClassifyStreamRequest" },
        { ClassifyStream, [2, 0, 0, 0, 0], "", 13, "no gRPC: Unexpected compressed flag" },
        { ClassifyStream, [0, 0, 0, 0, 2, 8], "", 13, "Incomplete message" },
        { ClassifyStream, [0, 0, 0x40, 0, 1], "", 8, "exceeds the maximum" }
    };

    [Theory]
    [MemberData(nameof(MalformedBodies))]
    public async Task MalformedBody_GetsAStatus_AndTheConnectionLives(
        string path, byte[] body, string encoding, int status, string message)
    {
        await using var connection = await server.ConnectAsync();
        (string, string)[] more = encoding.Length == 0 ? [] : [("grpc-encoding", encoding)];

        var frames = await CallAsync(connection, 1, path, body, more);

        var last = frames.Last(frame => frame.Type == Http2FrameType.Headers);
        Assert.Equal("200", frames[0].Header(":status"));
        Assert.Equal($"{status}", last.Header("grpc-status"));
        Assert.Contains(message, last.Header("grpc-message"), StringComparison.Ordinal);
        await AnswersAsync(connection, streamId: 3);
        server.NothingFailed();
    }

    [Fact]
    public async Task SplitAcrossFramesAtEveryByte_IsOneMessage()
    {
        await using var connection = await server.ConnectAsync();
        await connection.SendRequestAsync(1, Classify);
        foreach (var one in Frame(Request()))
            await connection.SendDataAsync(1, [one], endStream: false);
        await connection.SendDataAsync(1, [], endStream: true);

        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Equal("0", frames[^1].Header("grpc-status"));
        Assert.Single(ClassifyResponse.Parser.ParseFrom(Message(frames)).Results);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task CompressedRequest_IsAnswered(string encoding)
    {
        await using var connection = await server.ConnectAsync();
        var body = Compressed(encoding, Request().ToByteArray());

        var frames = await CallAsync(connection, 1, Classify, body, ("grpc-encoding", encoding));

        Assert.Equal("0", frames[^1].Header("grpc-status"));
        var plain = await server.Server.Client.Classifier.ClassifyAsync(Request());
        var answer = ClassifyResponse.Parser.ParseFrom(Message(frames));
        Assert.Equal(plain.Results[0].Classifications, answer.Results[0].Classifications);
    }

    [Fact]
    public async Task UnknownCompression_IsUnimplementedAndNamesTheKnown()
    {
        await using var connection = await server.ConnectAsync();

        var frame = (await CallAsync(connection, 1, Classify, Frame(1, 1, [0]), ("grpc-encoding", "zstd")))[0];

        Assert.Equal("12", frame.Header("grpc-status"));
        Assert.Contains("'zstd'", frame.Header("grpc-message"), StringComparison.Ordinal);
        Assert.Equal(["deflate", "gzip", "identity"], frame.Header("grpc-accept-encoding")!.Split(',').Order());
    }

    [Theory]
    [InlineData("grpc-timeout", "1")] // no unit
    [InlineData("grpc-timeout", "m")] // no number
    [InlineData("grpc-timeout", "1x")] // no such unit
    [InlineData("grpc-timeout", "-1m")] // a sign
    [InlineData("grpc-timeout", "123456789m")] // nine digits
    [InlineData("grpc-timeout", "1.5S")] // a fraction
    [InlineData("broken-bin", "***")] // no base64
    [InlineData("odd", "caf\u00e9")] // no ASCII
    [InlineData("traceparent", "00-nonsense")]
    public async Task MalformedMetadata_DisturbsNoOtherCall(string name, string value)
    {
        await using var connection = await server.ConnectAsync();

        var frames = await CallAsync(connection, 1, Classify, Frame(Request()), (name, value));

        Assert.NotNull(frames[^1].Header("grpc-status"));
        await AnswersAsync(connection, streamId: 3);
        server.NothingFailed();
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/grpcx")]
    [InlineData("text/plain")]
    public async Task WrongContentType_Is415(string contentType)
    {
        await using var connection = await server.ConnectAsync();
        await connection.SendHeadersAsync(1, endStream: true,
            (":method", "POST"), (":scheme", "http"), (":path", ClassifyStream), (":authority", "localhost"),
            ("content-type", contentType));

        Assert.Equal("415", (await connection.ReadStreamAsync(1).Within())[0].Header(":status"));
    }

    [Fact]
    public async Task GetOnAMethod_Is404()
    {
        await using var connection = await server.ConnectAsync();
        await connection.SendHeadersAsync(1, endStream: true,
            (":method", "GET"), (":scheme", "http"), (":path", Classify), (":authority", "localhost"));

        Assert.Equal("404", (await connection.ReadStreamAsync(1).Within())[0].Header(":status"));
    }

    [Theory]
    [InlineData("/serving.v1.Classifier/Nope", "Method is unimplemented.")]
    [InlineData("/no.such.Service/Nope", "Service is unimplemented.")]
    public async Task UnknownServiceOrMethod_IsHttp200Unimplemented(string path, string message)
    {
        await using var connection = await server.ConnectAsync();

        var frame = (await CallAsync(connection, 1, path, Frame(0, 0, [])))[0];

        Assert.Equal("200", frame.Header(":status"));
        Assert.Equal("12", frame.Header("grpc-status"));
        Assert.Equal(message, frame.Header("grpc-message"));
    }

    [Fact]
    public async Task HalfCloseWithTheHeaders_IsAnEmptyStream()
    {
        await using var connection = await server.ConnectAsync();
        await connection.SendRequestAsync(1, ClassifyStream, endStream: true);

        Assert.Equal("0", (await connection.ReadStreamAsync(1).Within())[^1].Header("grpc-status"));
    }

    /// <summary>C3 28 is half of a character.</summary>
    [Theory]
    [InlineData("Classify", "inputs[1].text")]
    [InlineData("ClassifyStream", "input.text")]
    [InlineData("Encode", "inputs[1].text")]
    [InlineData("Tokenize", "inputs[1].text")]
    public async Task TextThatIsNoUtf8_IsRefusedByName(string method, string field)
    {
        byte[] good = [0x0A, 3, 0x0A, 1, (byte)'a']; // field 1, 3 bytes: field 1, "a"
        byte[] bad = [0x0A, 4, 0x0A, 2, 0xC3, 0x28];
        byte[] badInput = [0x12, 4, 0x0A, 2, 0xC3, 0x28]; // field 2 of ClassifyStreamRequest
        byte[] message = method == "ClassifyStream" ? badInput : [.. good, .. bad];
        await using var connection = await server.ConnectAsync();

        var frames = await CallAsync(
            connection, 1, $"/serving.v1.Classifier/{method}", Frame(0, message.Length, message));

        Assert.StartsWith($"{field}: It is no UTF-8", frames[^1].Header("grpc-message"), StringComparison.Ordinal);
        Assert.Equal("3", frames[^1].Header("grpc-status"));
        Assert.NotNull(frames[^1].Header("grpc-status-details-bin"));
    }

    internal static byte[] Compressed(string encoding, byte[] message)
    {
        var packed = new MemoryStream();
        using (Stream stream = encoding == "gzip"
            ? new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true)
            : new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            stream.Write(message);
        }

        return Frame(1, (int)packed.Length, packed.ToArray());
    }

    /// <summary>The one message of an answer.</summary>
    private static byte[] Message(List<Http2Frame> frames) =>
        [.. frames.Where(frame => frame.Type == Http2FrameType.Data).SelectMany(frame => frame.Payload).Skip(5)];
}
