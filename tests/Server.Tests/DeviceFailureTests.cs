using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Serving.Catalog.Resident;
using Serving.Server.Configuration;
using Serving.Tensors;
using Serving.Testing;
using Serving.V1;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Serving.Server.Tests;

/// <summary>A device that lacks memory, or goes away.</summary>
public sealed class DeviceFailureTests
{
    /// <summary>For servers whose device has a memory budget; the backend is a test's all the same.</summary>
    private const string Device = "--Server:Device=torch-cpu";

    [Fact]
    public async Task Batch_WithoutMemory_Fails_WhatIsKeptGoes_AndTheNextSucceeds()
    {
        await using var server = await TestServer.StartAsync();
        var expected = await server.Client.ClassifyAsync(["a"], ["t", "u"]);
        var trims = server.Backend.Trims;
        server.Backend.Failures.Enqueue(new DeviceMemoryException("cuda:0 has no memory left."));
        // The product's client would wait before its next call.
        using var channel = GrpcChannel.ForAddress(server.Address);
        var client = new Classifier.ClassifierClient(channel);
        var failed = await Refused(() => client.ClassifyAsync(new()
        {
            Inputs = { new TextInput { Text = "a" } },
            Tasks = { new TaskReference { Task = "t" }, new TaskReference { Task = "u" } }
        }).ResponseAsync);
        Assert.Equal(
            (StatusCode.ResourceExhausted, "cuda:0 has no memory left."), (failed.StatusCode, failed.Status.Detail));
        Assert.NotNull(failed.GetRpcStatus()?.GetDetail<Google.Rpc.RetryInfo>());
        Assert.Equal(trims + 1, server.Backend.Trims);
        var next = await server.Client.ClassifyAsync(["a"], ["t", "u"]);
        Assert.Equal(expected.Results[0].Classifications, next.Results[0].Classifications);
        Assert.Empty(server.Logs.Errors);
    }

    [Fact]
    public async Task Device_ThatGoesAway_IsSaidByHealthAndInTheLog()
    {
        await using var server = await TestServer.StartAsync();
        server.Backend.Failures.Enqueue(new DeviceLostException("cuda:0 does not answer any more: CUDA error: 46."));
        var failed = await Refused(() => server.Client.ClassifyAsync(["a"], ["t"]));
        Assert.Equal(StatusCode.Unavailable, failed.StatusCode);
        foreach (var service in (string[])["", "serving.v1.Classifier", "tasks/t", "devices/cpu", "liveness"])
        {
            var health = await server.Client.Health.CheckAsync(new() { Service = service });
            Assert.Equal((service, ServingStatus.NotServing), (service, health.Status));
        }

        Assert.Contains(
            "The device cpu is gone: cuda:0 does not answer any more: CUDA error: 46.",
            Assert.Single(server.Logs.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Load_OfTwoModelsAtOnce_ThatEachFitButNotBoth_RefusesOneBeforeItMoves()
    {
        var data = new DataFolder();
        data.AddModel("other", seed: 5);
        await using var probe = await TestServer.RestartAsync(data, "--Server:Models:0=small");
        var host = probe.Catalog.Table.Models[DataFolder.Model];
        var (used, need) = (probe.Backend.AllocatedBytes, Served(host));
        await probe.EndAsync();

        // The first counts twice while it loads.
        await using var server = await TestServer.RestartAsync(
            data, "--Server:Models:0=small", Device, $"--Server:DeviceMemoryBytes={used + (need / 2)}");
        await server.Client.Models.UnloadModelAsync(new() { Model = DataFolder.Model });
        var before = server.Backend.AllocatedBytes;
        var loads = ((string[])[DataFolder.Model, "other"]).Select(async name =>
        {
            try
            {
                await server.Client.Models.LoadModelAsync(new() { Model = name });
                return null;
            }
            catch (RpcException refusal)
            {
                return refusal;
            }
        });
        var refused = Assert.Single(await Task.WhenAll(loads), refusal => refusal is not null)!;
        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        Assert.Contains(" needs about ", refused.Status.Detail, StringComparison.Ordinal);
        var loaded = Assert.Single(server.Catalog.Table.Models.Keys);
        await server.Client.Models.UnloadModelAsync(new() { Model = loaded });
        Assert.Equal(before, server.Backend.AllocatedBytes);
        await server.Client.Models.LoadModelAsync(
            new() { Model = loaded == DataFolder.Model ? "other" : DataFolder.Model });
    }

    [Fact]
    public async Task Estimate_OfAModel_IsAboutWhatItTakes()
    {
        await using var server = await TestServer.StartAsync();
        var host = server.Catalog.Table.Models[DataFolder.Model];
        var memory = host.Memory;
        Assert.InRange(Served(host) / (double)(memory.Parameters + memory.Workspace), 0.7, 1.4);
    }

    [Fact]
    public async Task Job_IsPlacedWhenItIsSubmitted_OrRefused()
    {
        await using var server = await TrainingServer.StartAsync(Device, "--Server:DeviceMemoryBytes=1000000000");
        JobSpec Spec(string device, long bytes = 0) => new()
        {
            Classifier = TrainingServer.Mask(epochs: 1),
            Device = device,
            DeviceMemoryBytes = bytes
        };

        var job = await server.Client.Jobs.SubmitJobAsync(new() { Spec = Spec("") });
        Assert.Equal("torch-cpu", job.Spec.Device);
        Assert.InRange(job.Spec.DeviceMemoryBytes, 1_000_000, 1_000_000_000);
        await server.Client.Jobs.CancelJobAsync(new() { Id = job.Id });
        job = await server.Client.Jobs.SubmitJobAsync(new() { Spec = Spec("cpu") });
        Assert.Equal(("cpu", 0), (job.Spec.Device, job.Spec.DeviceMemoryBytes));

        foreach (var (spec, status, message) in ((JobSpec, StatusCode, string)[])
            [
                (Spec("gpu"), StatusCode.InvalidArgument, "spec.device: There is no device 'gpu'; there is cpu, "),
                (Spec("cpu", 5), StatusCode.InvalidArgument, "spec.device_memory_bytes: 5 is no need of cpu; "),
                (Spec("torch-cpu", -1), StatusCode.InvalidArgument, "spec.device_memory_bytes: -1 is no need of "),
                (Spec("cuda:1", 1_000_000_001), StatusCode.FailedPrecondition,
                    "The job needs 1000000001 bytes of cuda:1; 1000000000 are allowed ")
            ])
        {
            var refused = await Refused(() => server.Client.Jobs.SubmitJobAsync(new() { Spec = spec }).ResponseAsync);
            Assert.Equal(status, refused.StatusCode);
            Assert.StartsWith(message, refused.Status.Detail, StringComparison.Ordinal);
        }
    }

    private static long Served(ModelHost host) => ModelNeed.OfServing(
        host.Shape, new ServerOptions().ForHosts(), lanes: 1);

    private static Task<RpcException> Refused(Func<Task> call) => Assert.ThrowsAsync<RpcException>(call);
}
