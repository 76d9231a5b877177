using Google.Protobuf;
using Grpc.Core;
using Grpc.Testing;

namespace Serving.InteropClient;

/// <summary>The interop cases that need no cloud credentials, as the public interop test descriptions define them.</summary>
public sealed class InteropCases
{
    private const int LargeRequest = 271_828;
    private const int LargeResponse = 314_159;
    private const string SpecialMessage = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

    private static readonly int[] RequestSizes = [27_182, 8, 1_828, 45_904];
    private static readonly int[] ResponseSizes = [31_415, 9, 2_653, 58_979];
    private static readonly Metadata Gzip = new() { { "grpc-internal-encoding-request", "gzip" } };

    private readonly TestService.TestServiceClient _client;
    private readonly UnimplementedService.UnimplementedServiceClient _unimplemented;
    private readonly CountingGzipProvider _compression;
    private readonly Dictionary<string, Func<Task>> _cases;

    /// <param name="channel">The server under test, with <paramref name="compression"/> as its gzip.</param>
    /// <param name="compression">Counts what comes compressed.</param>
    public InteropCases(ChannelBase channel, CountingGzipProvider compression)
    {
        _client = new TestService.TestServiceClient(channel);
        _unimplemented = new UnimplementedService.UnimplementedServiceClient(channel);
        _compression = compression;
        _cases = new Dictionary<string, Func<Task>>(StringComparer.Ordinal)
        {
            ["empty_unary"] = EmptyUnaryAsync,
            ["large_unary"] = LargeUnaryAsync,
            ["client_streaming"] = ClientStreamingAsync,
            ["server_streaming"] = ServerStreamingAsync,
            ["ping_pong"] = PingPongAsync,
            ["empty_stream"] = EmptyStreamAsync,
            ["cancel_after_begin"] = CancelAfterBeginAsync,
            ["cancel_after_first_response"] = CancelAfterFirstResponseAsync,
            ["timeout_on_sleeping_server"] = TimeoutOnSleepingServerAsync,
            ["custom_metadata"] = CustomMetadataAsync,
            ["status_code_and_message"] = StatusCodeAndMessageAsync,
            ["special_status_message"] = SpecialStatusMessageAsync,
            ["unimplemented_service"] = UnimplementedServiceAsync,
            ["unimplemented_method"] = UnimplementedMethodAsync,
            ["client_compressed_unary"] = ClientCompressedUnaryAsync,
            ["client_compressed_streaming"] = ClientCompressedStreamingAsync,
            ["server_compressed_unary"] = ServerCompressedUnaryAsync,
            ["server_compressed_streaming"] = ServerCompressedStreamingAsync
        };
    }

    public static IReadOnlyList<string> Names { get; } =
    [
        "empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
        "cancel_after_begin", "cancel_after_first_response", "timeout_on_sleeping_server", "custom_metadata",
        "status_code_and_message", "special_status_message", "unimplemented_service", "unimplemented_method",
        "client_compressed_unary", "client_compressed_streaming", "server_compressed_unary", "server_compressed_streaming"
    ];

    /// <exception cref="ArgumentException">There is no such case.</exception>
    public Task RunAsync(string name) => _cases.TryGetValue(name, out var run)
        ? run()
        : throw new ArgumentException($"'{name}' is no interop case; there are {string.Join(", ", Names)}.", nameof(name));

    private static Payload Zeros(int size) => new() { Body = ByteString.CopyFrom(new byte[size]) };

    private static SimpleRequest LargeUnaryRequest() =>
        new() { ResponseSize = LargeResponse, Payload = Zeros(LargeRequest) };

    private static StreamingOutputCallRequest Ping(int requestSize, int responseSize) => new()
    {
        Payload = Zeros(requestSize),
        ResponseParameters = { new ResponseParameters { Size = responseSize } }
    };

    private async Task EmptyUnaryAsync() => Check.Equal(new Empty(), await _client.EmptyCallAsync(new Empty()), "Response");

    private async Task LargeUnaryAsync()
    {
        var response = await _client.UnaryCallAsync(LargeUnaryRequest());
        Check.Equal(Zeros(LargeResponse), response.Payload, "Payload");
    }

    private async Task ClientStreamingAsync()
    {
        using var call = _client.StreamingInputCall();
        foreach (var size in RequestSizes)
        {
            await call.RequestStream.WriteAsync(new StreamingInputCallRequest { Payload = Zeros(size) });
        }

        await call.RequestStream.CompleteAsync();
        Check.Equal(RequestSizes.Sum(), (await call).AggregatedPayloadSize, "Aggregated size");
    }

    private async Task ServerStreamingAsync()
    {
        var request = new StreamingOutputCallRequest
        {
            ResponseParameters = { ResponseSizes.Select(size => new ResponseParameters { Size = size }) }
        };
        using var call = _client.StreamingOutputCall(request);
        foreach (var size in ResponseSizes)
        {
            Check.Equal(true, await call.ResponseStream.MoveNext(), "MoveNext");
            Check.Equal(Zeros(size), call.ResponseStream.Current.Payload, "Payload");
        }

        Check.Equal(false, await call.ResponseStream.MoveNext(), "MoveNext at the end");
        Check.Equal(StatusCode.OK, call.GetStatus().StatusCode, "Status");
    }

    private async Task PingPongAsync()
    {
        using var call = _client.FullDuplexCall();
        foreach (var (requestSize, responseSize) in RequestSizes.Zip(ResponseSizes))
        {
            await call.RequestStream.WriteAsync(Ping(requestSize, responseSize));
            Check.Equal(true, await call.ResponseStream.MoveNext(), "MoveNext");
            Check.Equal(Zeros(responseSize), call.ResponseStream.Current.Payload, "Payload");
        }

        await call.RequestStream.CompleteAsync();
        Check.Equal(false, await call.ResponseStream.MoveNext(), "MoveNext at the end");
    }

    private async Task EmptyStreamAsync()
    {
        using var call = _client.FullDuplexCall();
        await call.RequestStream.CompleteAsync();
        Check.Equal(false, await call.ResponseStream.MoveNext(), "MoveNext");
        Check.Equal(StatusCode.OK, call.GetStatus().StatusCode, "Status");
    }

    private async Task CancelAfterBeginAsync()
    {
        using var cancellation = new CancellationTokenSource();
        using var call = _client.StreamingInputCall(cancellationToken: cancellation.Token);
        await cancellation.CancelAsync();
        await Check.FailsAsync(StatusCode.Cancelled, () => call.ResponseAsync);
        Check.Equal(StatusCode.Cancelled, call.GetStatus().StatusCode, "Status");
    }

    private async Task CancelAfterFirstResponseAsync()
    {
        using var cancellation = new CancellationTokenSource();
        using var call = _client.FullDuplexCall(cancellationToken: cancellation.Token);
        await call.RequestStream.WriteAsync(Ping(RequestSizes[0], ResponseSizes[0]));
        Check.Equal(true, await call.ResponseStream.MoveNext(), "MoveNext");
        await cancellation.CancelAsync();
        await Check.FailsAsync(StatusCode.Cancelled, () => call.ResponseStream.MoveNext());
        Check.Equal(StatusCode.Cancelled, call.GetStatus().StatusCode, "Status");
    }

    private async Task TimeoutOnSleepingServerAsync()
    {
        using var call = _client.FullDuplexCall(deadline: DateTime.UtcNow.AddMilliseconds(1));
        try
        {
            await call.RequestStream.WriteAsync(new StreamingOutputCallRequest { Payload = Zeros(RequestSizes[0]) });
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.DeadlineExceeded)
        {
            // The deadline may pass before the write; the response says the same.
        }

        await Check.FailsAsync(StatusCode.DeadlineExceeded, () => call.ResponseStream.MoveNext());
    }

    private async Task CustomMetadataAsync()
    {
        const string Initial = "test_initial_metadata_value";
        byte[] trailing = [0xAB, 0xAB, 0xAB];
        var headers = new Metadata
        {
            { "x-grpc-test-echo-initial", Initial },
            { "x-grpc-test-echo-trailing-bin", trailing }
        };

        using var unary = _client.UnaryCallAsync(LargeUnaryRequest(), headers);
        await unary;
        CheckEchoes(await unary.ResponseHeadersAsync, unary.GetTrailers());

        using var duplex = _client.FullDuplexCall(headers);
        await duplex.RequestStream.WriteAsync(Ping(LargeRequest, LargeResponse));
        await duplex.RequestStream.CompleteAsync();
        Check.Equal(true, await duplex.ResponseStream.MoveNext(), "MoveNext");
        Check.Equal(false, await duplex.ResponseStream.MoveNext(), "MoveNext at the end");
        CheckEchoes(await duplex.ResponseHeadersAsync, duplex.GetTrailers());

        void CheckEchoes(Metadata responseHeaders, Metadata trailers)
        {
            Check.Equal(Initial, responseHeaders.GetValue("x-grpc-test-echo-initial"), "Initial metadata");
            var echoed = trailers.GetValueBytes("x-grpc-test-echo-trailing-bin") ?? [];
            Check.Equal(Convert.ToHexString(trailing), Convert.ToHexString(echoed), "Trailing metadata");
        }
    }

    private async Task StatusCodeAndMessageAsync()
    {
        var status = new EchoStatus { Code = 2, Message = "test status message" };
        await CheckStatusAsync(status, () => _client.UnaryCallAsync(new SimpleRequest { ResponseStatus = status }).ResponseAsync);

        // A server may answer before the write has come to its end; then it is the write that fails with the status.
        using var call = _client.FullDuplexCall();
        await CheckStatusAsync(status, async () =>
        {
            await call.RequestStream.WriteAsync(new StreamingOutputCallRequest { ResponseStatus = status });
            await call.RequestStream.CompleteAsync();
            await call.ResponseStream.MoveNext();
        });
    }

    private Task SpecialStatusMessageAsync()
    {
        var status = new EchoStatus { Code = 2, Message = SpecialMessage };
        return CheckStatusAsync(status, () => _client.UnaryCallAsync(new SimpleRequest { ResponseStatus = status }).ResponseAsync);
    }

    private static async Task CheckStatusAsync(EchoStatus expected, Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (RpcException exception)
        {
            Check.Equal((StatusCode)expected.Code, exception.StatusCode, "Status");
            Check.Equal(expected.Message, exception.Status.Detail, "Message");
            return;
        }

        throw new InvalidOperationException("The call succeeded.");
    }

    private Task UnimplementedServiceAsync() => Check.FailsAsync(
        StatusCode.Unimplemented, () => _unimplemented.UnimplementedCallAsync(new Empty()).ResponseAsync);

    private Task UnimplementedMethodAsync() => Check.FailsAsync(
        StatusCode.Unimplemented, () => _client.UnimplementedCallAsync(new Empty()).ResponseAsync);

    private async Task ClientCompressedUnaryAsync()
    {
        // The probe says that it is compressed and is not: a server that can tell refuses it.
        var request = LargeUnaryRequest();
        request.ExpectCompressed = new BoolValue { Value = true };
        await Check.FailsAsync(StatusCode.InvalidArgument, () => _client.UnaryCallAsync(request).ResponseAsync);
        Check.Equal(Zeros(LargeResponse), (await _client.UnaryCallAsync(request, Gzip)).Payload, "Payload");

        request.ExpectCompressed = new BoolValue { Value = false };
        Check.Equal(Zeros(LargeResponse), (await _client.UnaryCallAsync(request)).Payload, "Payload");
    }

    private async Task ClientCompressedStreamingAsync()
    {
        var first = new StreamingInputCallRequest
        {
            ExpectCompressed = new BoolValue { Value = true },
            Payload = Zeros(RequestSizes[0])
        };
        using (var probe = _client.StreamingInputCall())
        {
            await probe.RequestStream.WriteAsync(first);
            await Check.FailsAsync(StatusCode.InvalidArgument, () => probe.ResponseAsync);
        }

        using var call = _client.StreamingInputCall(Gzip);
        await call.RequestStream.WriteAsync(first);
        call.RequestStream.WriteOptions = new WriteOptions(WriteFlags.NoCompress);
        await call.RequestStream.WriteAsync(new StreamingInputCallRequest
        {
            ExpectCompressed = new BoolValue { Value = false },
            Payload = Zeros(RequestSizes[3])
        });
        await call.RequestStream.CompleteAsync();
        Check.Equal(RequestSizes[0] + RequestSizes[3], (await call).AggregatedPayloadSize, "Aggregated size");
    }

    private async Task ServerCompressedUnaryAsync()
    {
        foreach (var isCompressed in new[] { true, false })
        {
            var request = LargeUnaryRequest();
            request.ResponseCompressed = new BoolValue { Value = isCompressed };
            var before = _compression.Received;
            Check.Equal(Zeros(LargeResponse), (await _client.UnaryCallAsync(request)).Payload, "Payload");
            Check.Equal(isCompressed ? 1 : 0, _compression.Received - before, "Compressed responses");
        }
    }

    private async Task ServerCompressedStreamingAsync()
    {
        (int Size, bool IsCompressed)[] expected = [(ResponseSizes[0], true), (ResponseSizes[3], false)];
        var request = new StreamingOutputCallRequest();
        foreach (var (size, isCompressed) in expected)
        {
            request.ResponseParameters.Add(
                new ResponseParameters { Size = size, Compressed = new BoolValue { Value = isCompressed } });
        }

        using var call = _client.StreamingOutputCall(request);
        foreach (var (size, isCompressed) in expected)
        {
            var before = _compression.Received;
            Check.Equal(true, await call.ResponseStream.MoveNext(), "MoveNext");
            Check.Equal(Zeros(size), call.ResponseStream.Current.Payload, "Payload");
            Check.Equal(isCompressed ? 1 : 0, _compression.Received - before, "Compressed responses");
        }

        Check.Equal(false, await call.ResponseStream.MoveNext(), "MoveNext at the end");
    }
}
