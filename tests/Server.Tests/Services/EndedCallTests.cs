using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Serving.Server.Services;

namespace Serving.Server.Tests.Services;

/// <summary>What a call throws once somebody else has ended it: its status, and whether the log hears of it.</summary>
public sealed class EndedCallTests
{
    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create<byte[]>(bytes => bytes, bytes => bytes);
    private static readonly Method<byte[], byte[]> Reflection = new(
        MethodType.DuplexStreaming, "grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", Bytes, Bytes);
    private static readonly byte[] ListServices = [0x3A, 0]; // Field 7, an empty string.

    public static TheoryData<string, Exception, StatusCode, bool> Ends => new()
    {
        // As Grpc.AspNetCore ends a call at its deadline: the status first, the token last.
        { "deadline", new InvalidOperationException("The request is complete."), StatusCode.DeadlineExceeded, false },
        { "cancelled", new InvalidOperationException("The request is complete."), StatusCode.Cancelled, false },
        // A disk says this of itself, and nobody ended the call.
        { "", new IOException("No space left on device."), StatusCode.Unknown, true },
        { "", new InvalidOperationException("A fault."), StatusCode.Unknown, true }
    };

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task Handler_ThatThrows(string end, Exception exception, StatusCode code, bool isLogged)
    {
        await using var server = await TestServer.StartAsync();
        var interceptor = ActivatorUtilities.CreateInstance<ServingInterceptor>(server.Services);
        var context = new EndedContext(end);

        var error = await Assert.ThrowsAsync<RpcException>(
            () => interceptor.UnaryServerHandler<string, string>("", context, async (_, _) =>
            {
                await Task.Yield();
                throw exception;
            }));

        Assert.Equal(code, error.StatusCode);
        Assert.Equal(isLogged, server.Logs.Errors.Count == 1);
    }

    /// <summary>Reads fail at once, some of them before the call is cancelled.</summary>
    [Fact]
    public async Task Streams_ThatTheirClientsReset_AreNoFaults()
    {
        var server = await TestServer.StartAsync();
        using (var channel = GrpcChannel.ForAddress(server.Address))
        {
            var invoker = channel.CreateCallInvoker();
            await Parallel.ForAsync(0, 600, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, _) =>
            {
                using var call = invoker.AsyncDuplexStreamingCall(Reflection, host: null, new CallOptions());
                await call.RequestStream.WriteAsync(ListServices);
                if (i % 3 > 0)
                    Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
            });
        }

        await server.DisposeAsync(); // All calls are over.
        Assert.True(server.Logs.Errors.Count == 0, string.Join('\n', server.Logs.Errors));
    }

    private sealed class EndedContext : ServerCallContext
    {
        private readonly bool _isCancelled;

        public EndedContext(string end)
        {
            _isCancelled = end == "cancelled";
            StatusCore = end == "deadline" ? new Status(StatusCode.DeadlineExceeded, "") : Status.DefaultSuccess;
            UserStateCore["__HttpContext"] = new DefaultHttpContext();
        }

        protected override string MethodCore => "/serving.v1.Classifier/Classify";

        protected override string HostCore => "";

        protected override string PeerCore => "";

        protected override DateTime DeadlineCore => DateTime.MaxValue;

        protected override Metadata RequestHeadersCore { get; } = [];

        protected override CancellationToken CancellationTokenCore => new(_isCancelled);

        protected override Metadata ResponseTrailersCore { get; } = [];

        protected override Status StatusCore { get; set; }

        protected override WriteOptions? WriteOptionsCore { get; set; }

        protected override AuthContext AuthContextCore { get; } = new("", []);

        protected override IDictionary<object, object> UserStateCore { get; } = new Dictionary<object, object>();

        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) =>
            throw new NotSupportedException();

        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;
    }
}
