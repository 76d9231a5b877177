using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Serving.InteropHost;
using Serving.Rpc.Services.Health;
using Serving.Testing;
using static Grpc.Health.V1.HealthCheckResponse.Types;
using HealthClient = Grpc.Health.V1.Health.HealthClient;

namespace Serving.Rpc.Services.Tests;

public sealed class HealthTests : IAsyncLifetime
{
    private WebApplication _app = null!;
    private GrpcChannel _channel = null!;
    private HealthClient _client = null!;

    private HealthStatuses Statuses => _app.Services.GetRequiredService<HealthStatuses>();

    public async Task InitializeAsync()
    {
        _app = InteropApplication.Build(new InteropHostOptions());
        await _app.StartAsync();
        _channel = GrpcChannel.ForAddress(_app.Urls.First());
        _client = new HealthClient(_channel);
    }

    public async Task DisposeAsync()
    {
        _channel.Dispose();
        await _app.DisposeAsync();
    }

    [Theory]
    [InlineData("")]
    [InlineData("grpc.testing.TestService")]
    [InlineData("grpc.health.v1.Health")]
    public async Task Check_KnowsTheServerAndEveryMappedService(string service)
    {
        var response = await _client.CheckAsync(new HealthCheckRequest { Service = service });
        Assert.Equal(ServingStatus.Serving, response.Status);
    }

    [Fact]
    public async Task Check_OfAnUnknownService_IsNotFound()
    {
        var exception = await Assert.ThrowsAsync<RpcException>(
            () => _client.CheckAsync(new HealthCheckRequest { Service = "nope" }).ResponseAsync);
        Assert.Equal(StatusCode.NotFound, exception.StatusCode);
    }

    [Fact]
    public async Task List_HasEverything()
    {
        Statuses.Set("task:sentiment", ServingStatus.NotServing);

        var statuses = (await _client.ListAsync(new HealthListRequest())).Statuses;

        Assert.Equal(ServingStatus.NotServing, statuses["task:sentiment"].Status);
        Assert.Equal(ServingStatus.Serving, statuses[""].Status);
        Assert.Contains("grpc.reflection.v1.ServerReflection", statuses.Keys);
    }

    [Fact]
    public async Task Watch_PushesEachChange_AlsoOfWhatIsNotKnownYet()
    {
        using var watch = _client.Watch(new HealthCheckRequest { Service = "task:a" });
        Assert.Equal(ServingStatus.ServiceUnknown, await NextAsync());

        Statuses.Set("task:a", ServingStatus.NotServing);
        Assert.Equal(ServingStatus.NotServing, await NextAsync());
        Statuses.Set("task:b", ServingStatus.Serving); // somebody else's
        Statuses.Set("task:a", ServingStatus.NotServing); // no change
        Statuses.Set("task:a", ServingStatus.Serving);
        Assert.Equal(ServingStatus.Serving, await NextAsync());
        Statuses.Remove("task:a");
        Assert.Equal(ServingStatus.ServiceUnknown, await NextAsync());

        async Task<ServingStatus> NextAsync()
        {
            Assert.True(await watch.ResponseStream.MoveNext().Within());
            return watch.ResponseStream.Current.Status;
        }
    }

    [Fact]
    public async Task Watch_EndsWhenTheServerStops_AfterNotServing()
    {
        using var watch = _client.Watch(new HealthCheckRequest());
        Assert.True(await watch.ResponseStream.MoveNext().Within());
        Assert.Equal(ServingStatus.Serving, watch.ResponseStream.Current.Status);

        await _app.StopAsync().Within();

        Assert.Equal(ServingStatus.NotServing, Statuses.Find(""));
        var exception = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await watch.ResponseStream.MoveNext().Within())
            {
                Assert.Equal(ServingStatus.NotServing, watch.ResponseStream.Current.Status);
            }
        });
        Assert.Equal(StatusCode.Unavailable, exception.StatusCode);
        Statuses.Set("", ServingStatus.Serving); // A shutdown is for good.
        Assert.Equal(ServingStatus.NotServing, Statuses.Find(""));
    }
}
