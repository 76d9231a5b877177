using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Serving.Testing;
using Empty = Grpc.Testing.Empty;
using Status = Grpc.Core.Status;

namespace Serving.Rpc.AspNetCore.Tests;

/// <summary>Handlers, interceptors and the container, as an application uses them.</summary>
public sealed class HandlerTests
{
    [Fact]
    public async Task RichStatus_ReachesTheClientWithItsDetails()
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, _) => throw new Google.Rpc.Status { Code = 8, Message = "queue is full" }
                .WithDetail(new RetryInfo { RetryDelay = Duration.FromTimeSpan(TimeSpan.FromSeconds(2)) })
                .WithDetail(new QuotaFailure { Violations = { new QuotaFailure.Types.Violation { Subject = "task:a" } } })
                .WithDetail(new BadRequest
                {
                    FieldViolations = { new BadRequest.Types.FieldViolation { Field = "inputs[2].text", Description = "empty" } }
                })
                .ToRpcException()
        });
        using var channel = server.CreateChannel();
        var client = new TestService.TestServiceClient(channel);

        var exception = await Assert.ThrowsAsync<RpcException>(() => client.EmptyCallAsync(new Empty()).ResponseAsync);

        Assert.Equal(StatusCode.ResourceExhausted, exception.StatusCode);
        var status = exception.GetRpcStatus()!;
        Assert.Equal("queue is full", status.Message);
        Assert.Equal(2, status.GetDetail<RetryInfo>()!.RetryDelay.Seconds);
        Assert.Equal("task:a", status.GetDetail<QuotaFailure>()!.Violations[0].Subject);
        Assert.Equal("inputs[2].text", status.GetDetail<BadRequest>()!.FieldViolations[0].Field);
        Assert.Null(status.GetDetail<ErrorInfo>());
    }

    [Fact]
    public async Task DetailedErrors_TellTheExceptionsText()
    {
        await using var server = await GrpcTestServer.StartAsync(
            new ScriptedService { OnEmpty = (_, _) => throw new InvalidDataException("row 3") },
            grpc => grpc.EnableDetailedErrors = true);
        using var channel = server.CreateChannel();

        var exception = await Assert.ThrowsAsync<RpcException>(
            () => new TestService.TestServiceClient(channel).EmptyCallAsync(new Empty()).ResponseAsync);

        Assert.Contains("InvalidDataException: row 3", exception.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Interceptors_SeeEveryKindOfCall_InOrder()
    {
        var trace = new List<string>();
        await using var server = await GrpcTestServer.StartAsync(
            new ScriptedService
            {
                OnEmpty = (_, _) => Task.FromResult(new Empty()),
                OnInput = (_, _) => Task.FromResult(new StreamingInputCallResponse()),
                OnOutput = (_, _, _) => Task.CompletedTask,
                OnDuplex = (_, _, _) => Task.CompletedTask
            },
            grpc =>
            {
                grpc.Interceptors.Add<TracingInterceptor>(trace, "outer");
                grpc.Interceptors.Add<TracingInterceptor>(trace, "inner");
            });
        using var channel = server.CreateChannel();
        var client = new TestService.TestServiceClient(channel.Intercept(new TracingInterceptor(trace, "client")));

        await client.EmptyCallAsync(new Empty());
        using var input = client.StreamingInputCall();
        await input.RequestStream.CompleteAsync();
        await input;
        using var output = client.StreamingOutputCall(new StreamingOutputCallRequest());
        Assert.False(await output.ResponseStream.MoveNext());
        using var duplex = client.FullDuplexCall();
        await duplex.RequestStream.CompleteAsync();
        Assert.False(await duplex.ResponseStream.MoveNext());

        string[] kinds = ["unary", "client streaming", "server streaming", "duplex"];
        Assert.Equal(kinds.SelectMany(kind => new[] { $"client {kind}", $"outer {kind}", $"inner {kind}" }), trace);
    }

    [Fact]
    public async Task InterceptorsThrow_LikeHandlers()
    {
        await using var server = await GrpcTestServer.StartAsync(
            new ScriptedService { OnEmpty = (_, _) => Task.FromResult(new Empty()) },
            grpc => grpc.Interceptors.Add<RefusingInterceptor>());
        using var channel = server.CreateChannel();

        var exception = await Assert.ThrowsAsync<RpcException>(
            () => new TestService.TestServiceClient(channel).EmptyCallAsync(new Empty()).ResponseAsync);

        Assert.Equal(StatusCode.Unauthenticated, exception.StatusCode);
    }

    [Theory]
    [InlineData(ServiceLifetime.Singleton, 1, 0)]
    [InlineData(ServiceLifetime.Scoped, 3, 3)]
    [InlineData(ServiceLifetime.Transient, 3, 3)]
    [InlineData(null, 3, 3)]
    public async Task Services_LiveAsLongAsTheContainerSays(ServiceLifetime? lifetime, int created, int disposed)
    {
        var counts = new Counts();
        await using var server = await GrpcTestServer.StartAsync(
            builder =>
            {
                builder.Services.AddGrpc();
                builder.Services.AddSingleton(counts);
                if (lifetime is not null)
                {
                    builder.Services.Add(
                        new ServiceDescriptor(typeof(CountedService), typeof(CountedService), lifetime.Value));
                }
            },
            app => app.MapGrpcService<CountedService>());
        using var channel = server.CreateChannel();
        var client = new TestService.TestServiceClient(channel);

        for (var i = 0; i < 3; i++)
        {
            await client.EmptyCallAsync(new Empty());
        }

        await Eventually.TrueAsync(() => counts.Disposed == disposed, "disposed");
        Assert.Equal(created, counts.Created);
    }

    [Fact]
    public async Task ServiceOptions_WinOverThoseOfAll()
    {
        await using var server = await GrpcTestServer.StartAsync(
            new ScriptedService { OnUnary = (_, _) => Task.FromResult(new SimpleResponse()) },
            grpc => grpc.MaxReceiveMessageSize = 10,
            builder => builder.Services.AddGrpc().AddServiceOptions<ScriptedService>(grpc => grpc.MaxReceiveMessageSize = null));
        using var channel = server.CreateChannel();
        var client = new TestService.TestServiceClient(channel);

        var request = new SimpleRequest { Payload = new Payload { Body = Google.Protobuf.ByteString.CopyFrom(new byte[5_000_000]) } };
        Assert.NotNull(await client.UnaryCallAsync(request));
    }

    [Fact]
    public async Task MaxSendMessageSize_IsResourceExhausted()
    {
        await using var server = await GrpcTestServer.StartAsync(
            new ScriptedService { OnUnary = (_, _) => Task.FromResult(new SimpleResponse { Username = new string('u', 100) }) },
            grpc => grpc.MaxSendMessageSize = 50);
        using var channel = server.CreateChannel();

        var exception = await Assert.ThrowsAsync<RpcException>(
            () => new TestService.TestServiceClient(channel).UnaryCallAsync(new SimpleRequest()).ResponseAsync);

        Assert.Equal(StatusCode.ResourceExhausted, exception.StatusCode);
        Assert.Contains("MaxSendMessageSize", exception.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MapWithoutAddGrpc_SaysWhatIsMissing()
    {
        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => GrpcTestServer.StartAsync(
            _ => { }, app => app.MapGrpcService<ScriptedService>()));

        Assert.Contains("AddGrpc", exception.Message, StringComparison.Ordinal);
    }

    private sealed class Counts
    {
        private int _created;
        private int _disposed;

        public int Created => _created;

        public int Disposed => Volatile.Read(ref _disposed);

        public void Create() => Interlocked.Increment(ref _created);

        public void Dispose() => Interlocked.Increment(ref _disposed);
    }

    private sealed class CountedService : TestService.TestServiceBase, IDisposable
    {
        private readonly Counts _counts;

        public CountedService(Counts counts)
        {
            _counts = counts;
            counts.Create();
        }

        public override Task<Empty> EmptyCall(Empty request, ServerCallContext context) => Task.FromResult(request);

        public void Dispose() => _counts.Dispose();
    }

    private sealed class RefusingInterceptor : Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
            throw new RpcException(new Status(StatusCode.Unauthenticated, "Send a token in 'authorization'."));
    }

    private sealed class TracingInterceptor(List<string> trace, string name) : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation) => Trace("unary", () => continuation(request, context));

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncClientStreamingCallContinuation<TRequest, TResponse> continuation) =>
            Trace("client streaming", () => continuation(context));

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncServerStreamingCallContinuation<TRequest, TResponse> continuation) =>
            Trace("server streaming", () => continuation(request, context));

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation) =>
            Trace("duplex", () => continuation(context));

        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
            Trace("unary", () => continuation(request, context));

        public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            ServerCallContext context,
            ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
            Trace("client streaming", () => continuation(requestStream, context));

        public override Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
            Trace("server streaming", () => continuation(request, responseStream, context));

        public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
            Trace("duplex", () => continuation(requestStream, responseStream, context));

        private T Trace<T>(string kind, Func<T> next)
        {
            lock (trace)
            {
                trace.Add($"{name} {kind}");
            }

            return next();
        }
    }
}
