using System.IO.Pipelines;
using System.Text.Json;
using Grpc.Core;
using Grpc.Testing;
using Grpc.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Serving.Testing;

namespace Serving.Rpc.AspNetCore.Tests;

/// <summary>Tests that count what the whole process allocates run while no other does.</summary>
[CollectionDefinition(nameof(AloneCollection), DisableParallelization = true)]
public sealed class AloneCollection;

/// <summary>What a message costs on the managed heap beyond itself, against the budget in bench/allocation-budget.json.</summary>
[Collection(nameof(AloneCollection))]
public sealed class AllocationTests
{
    private const int Messages = 20_000;

    /// <summary>The same message again and again, so that what is left is the runtime's own.</summary>
    private static readonly StreamingOutputCallResponse Response = new() { Payload = new Payload() };

    private static readonly StreamingOutputCallRequest Request = new() { Payload = new Payload() };

    private static readonly Marshaller<StreamingOutputCallRequest> Marshaller = new(
        (message, context) =>
        {
            context.SetPayloadLength(message.CalculateSize());
            Google.Protobuf.MessageExtensions.WriteTo(message, context.GetBufferWriter());
            context.Complete();
        },
        context => context.PayloadAsReadOnlySequence().Length == 2 ? Request : throw new InvalidDataException());

    [Fact]
    public async Task Framing_AllocatesNothing()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        var writer = new MessageWriter(pipe.Writer, maxBytes: null);
        var reader = new MessageReader<StreamingOutputCallRequest>(
            pipe.Reader, Marshaller.ContextualDeserializer, maxBytes: 1024, compression: null);
        await RunAsync(); // Fills the pipe's own pools.

        var before = GC.GetAllocatedBytesForCurrentThread();
        var running = RunAsync();
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.True(running.IsCompletedSuccessfully);
        AssertWithin("rpc.framing.bytesPerMessage", allocated, Messages);

        async ValueTask RunAsync()
        {
            for (var i = 0; i < Messages; i++)
            {
                writer.Write(Request, Marshaller.ContextualSerializer, compression: null, level: null);
                await pipe.Writer.FlushAsync();
                Assert.True(await reader.ReadAsync(CancellationToken.None));
            }
        }
    }

    /// <summary>A write that has to wait for the connection costs its Task, which the API returns; one that doesn't is free.</summary>
    [Fact]
    public async Task ServerStream_AllocatesOnlyItsMessages()
    {
        // The server writes Messages messages, then as many again, which are counted.
        var allocated = new TaskCompletionSource<long>();
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnOutput = async (_, responses, _) =>
            {
                await WriteAsync(responses);
                var before = GC.GetTotalAllocatedBytes(precise: true);
                await WriteAsync(responses);
                allocated.SetResult(GC.GetTotalAllocatedBytes(precise: true) - before);
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendAsync(Http2FrameType.WindowUpdate, flags: 0, streamId: 0, [0x7F, 0, 0, 0]); // No flow control.
        await connection.SendRequestAsync(1, ScriptedService.OutputPath);
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: true);

        AssertWithin("rpc.serverStream.bytesPerMessage", await allocated.Task.Within(), Messages);

        static async Task WriteAsync(IServerStreamWriter<StreamingOutputCallResponse> responses)
        {
            for (var i = 0; i < Messages; i++)
            {
                await responses.WriteAsync(Response);
            }
        }
    }

    [Fact]
    public async Task UnaryCall_StaysWithinItsBudget()
    {
        const string BarePath = "/bare";
        var response = Task.FromResult(new Empty());
        await using var server = await GrpcTestServer.StartAsync(
            builder =>
            {
                builder.Services.AddGrpc();
                builder.Services.AddSingleton(new ScriptedService { OnEmpty = (_, _) => response });
            },
            app =>
            {
                app.MapGrpcService<ScriptedService>();
                app.MapPost(BarePath, (RequestDelegate)AnswerBareAsync);
            });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendAsync(Http2FrameType.WindowUpdate, flags: 0, streamId: 0, [0x7F, 0, 0, 0]); // No flow control.
        const int Calls = 2_000;
        const int Rounds = 5;
        var stream = 1;
        await CallAsync(BarePath);
        await CallAsync(ScriptedService.EmptyPath);

        // Whether a read has to wait for the other side depends on how busy the machine is, and each that does allocates: the
        // least of several rounds is what calls themselves cost.
        var (bare, grpc) = (long.MaxValue, long.MaxValue);
        for (var round = 0; round < Rounds; round++)
        {
            bare = Math.Min(bare, await CallAsync(BarePath));
            grpc = Math.Min(grpc, await CallAsync(ScriptedService.EmptyPath));
        }

        AssertWithin("rpc.unaryCall.bytesPerCallOverBareKestrel", grpc - bare, Calls);

        async Task<long> CallAsync(string path)
        {
            byte[] message = [0, 0, 0, 0, 0];
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < Calls; i++, stream += 2)
            {
                await connection.SendRequestAsync(stream, path);
                await connection.SendDataAsync(stream, message, endStream: true);
                while (await connection.ReadAsync() is { EndsStream: false })
                {
                }
            }

            return GC.GetTotalAllocatedBytes(precise: true) - before;
        }
    }

    /// <summary>The same bytes on the wire with nothing but Kestrel: what is left is HTTP's share.</summary>
    private static async Task AnswerBareAsync(HttpContext context)
    {
        var body = context.Request.BodyReader;
        ReadResult read;
        do
        {
            read = await body.ReadAsync();
            body.AdvanceTo(read.Buffer.End);
        }
        while (!read.IsCompleted);

        context.Response.ContentType = "application/grpc";
        context.Response.BodyWriter.GetSpan(5)[..5].Clear();
        context.Response.BodyWriter.Advance(5);
        context.Response.AppendTrailer("grpc-status", "0");
    }

    private static void AssertWithin(string name, long allocated, int count)
    {
        var path = Path.Combine(AppContext.BaseDirectory, "allocation-budget.json");
        using var budget = JsonDocument.Parse(File.ReadAllText(path));
        var allowed = budget.RootElement.GetProperty(name).GetInt64();
        var each = (double)allocated / count;
        Console.WriteLine($"{name}: {each:F1} bytes");
        Assert.True(each <= allowed + 0.5, $"{name}: {each:F1} bytes, budget {allowed}.");
    }
}
