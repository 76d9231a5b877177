using Grpc.Core;
using Serving.Client;
using Serving.V1;
using Task = System.Threading.Tasks.Task;

namespace Serving.Server.Tests;

/// <summary>Blocking calls of the generated clients get what the others get.</summary>
public sealed class BlockingCallTests
{
    [Fact]
    public async Task Classify_Blocking_Answers()
    {
        await using var server = await TestServer.StartAsync();

        var blocking = await Task.Run(() => server.Client.Classifier.Classify(Request()));

        var scores = (await server.Client.Classifier.ClassifyAsync(Request())).Results[0].Classifications[0].Scores;
        Assert.Equal(scores, blocking.Results[0].Classifications[0].Scores);
    }

    [Fact]
    public async Task Classify_Blocking_HasTheDefaultDeadline()
    {
        await using var server = await TestServer.StartAsync();
        using var client = new ServingClient(
            new ServingClientOptions { Addresses = [new Uri(server.Address)], Timeout = TimeSpan.FromMilliseconds(200) });
        server.Backend.Close(); // No answer will ever come.

        var failure = await Task.Run(() => Assert.Throws<RpcException>(() => client.Classifier.Classify(Request())));

        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
        server.Backend.Open();
    }

    private static ClassifyRequest Request() =>
        new() { Inputs = { new TextInput { Text = "a b" } }, Tasks = { new TaskReference { Task = "t" } } };
}
