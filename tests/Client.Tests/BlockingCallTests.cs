using Grpc.Core;
using Serving.Testing;
using Serving.V1;

namespace Serving.Client.Tests;

/// <summary>Blocking calls of the generated clients get what the others get.</summary>
public sealed class BlockingCallTests
{
    [Fact]
    public async Task Classify_Blocking_Answers()
    {
        await using var server = await ScriptedServer.StartAsync(new()
        {
            OnClassify = (request, _) =>
                Task.FromResult(new ClassifyResponse { Results = { request.Inputs.Select(_ => new InputResult()) } })
        });
        using var client = new ServingClient(server.Options());

        var response = await Task.Run(
            () => client.Classifier.Classify(new() { Inputs = { new TextInput(), new TextInput() } })).Within();

        Assert.Equal(2, response.Results.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Classify_WithoutADeadline_HasTheDefault(bool isBlocking)
    {
        await using var server = await ScriptedServer.StartAsync(new()
        {
            OnClassify = async (_, context) =>
            {
                await Eventually.TrueAsync(() => context.CancellationToken.IsCancellationRequested, "the call is over");
                return new();
            }
        });
        using var client = new ServingClient(server.Options() with { Timeout = TimeSpan.FromMilliseconds(200) });

        var failure = await Assert.ThrowsAsync<RpcException>(() => isBlocking
            ? Task.Run(() => client.Classifier.Classify(new())).Within()
            : client.Classifier.ClassifyAsync(new()).ResponseAsync.Within());

        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
    }
}
