using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Serving.Client;
using Serving.Server.Tests.Wire;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

/// <summary>The client by dependency injection, against a server.</summary>
public sealed class ServingClientExtensionsTests
{
    [Fact]
    public async Task AddServingClient_GivesAllClients_WithTheOptions()
    {
        await using var server = await TestServer.StartAsync();
        var services = new ServiceCollection();
        services.AddServingClient(
            _ => new() { Addresses = [new Uri(server.Address)], Timeout = TimeSpan.FromMilliseconds(200) });
        await using var provider = services.BuildServiceProvider();

        var client = provider.GetRequiredService<ServingClient>();
        var typed = provider.GetRequiredService<Classifier.ClassifierClient>();

        Assert.Same(client, provider.GetRequiredService<ServingClient>());
        Assert.Same(client.Classifier, typed);
        await provider.GetRequiredService<V1.Tasks.TasksClient>().ListTasksAsync(
            new(), deadline: Later()).ResponseAsync.Within();
        await provider.GetRequiredService<V1.Models.ModelsClient>().GetLimitsAsync(
            new(), deadline: Later()).ResponseAsync.Within();
        await provider.GetRequiredService<V1.Datasets.DatasetsClient>().ListDatasetsAsync(
            new(), deadline: Later()).ResponseAsync.Within();
        await provider.GetRequiredService<V1.Jobs.JobsClient>().ListJobsAsync(
            new(), deadline: Later()).ResponseAsync.Within();
        await typed.ClassifyAsync(WireServer.Request(), deadline: Later()).ResponseAsync.Within();
        server.Backend.Close(); // No answer will come, and the options' timeout ends the call.
        var failure = await Assert.ThrowsAsync<RpcException>(
            () => typed.ClassifyAsync(WireServer.Request()).ResponseAsync.Within());
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
    }

    [Fact]
    public async Task AddServingClient_TakesAnAddress_AndReturnsABuilder()
    {
        await using var server = await TestServer.StartAsync();
        var sent = new SeenRequests();
        var services = new ServiceCollection();
        services.AddServingClient(server.Address).AddHttpMessageHandler(() => sent);
        await using var provider = services.BuildServiceProvider();

        await provider.GetRequiredService<ServingClient>().Models.GetLimitsAsync(new()).ResponseAsync.Within();

        Assert.Equal(1, sent.Count);
    }

    [Fact]
    public async Task AddServingClient_BadOptions_AreRefusedWhenItIsAskedFor()
    {
        var services = new ServiceCollection();
        services.AddServingClient(new ServingClientOptions { Addresses = [] });
        await using var provider = services.BuildServiceProvider();

        var failure = Assert.Throws<ArgumentException>(
            () => provider.GetRequiredService<Classifier.ClassifierClient>());

        Assert.Contains("There is no address", failure.Message, StringComparison.Ordinal);
    }

    private static DateTime Later() => DateTime.UtcNow.AddMinutes(5);

    private sealed class SeenRequests : DelegatingHandler
    {
        private int _count;

        public int Count => _count;

        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _count);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
