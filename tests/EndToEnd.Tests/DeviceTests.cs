using Grpc.Core;
using Serving.Testing;

namespace Serving.EndToEnd.Tests;

/// <summary>Devices that a build or a machine lacks.</summary>
public sealed class DeviceTests
{
    private const string NoServer = "http://localhost:1"; // It asks none.
    private const string NotInBuild = "The device cuda is not in this build: build with -p:Torch=cpu or -p:Torch=cuda";

    [Fact]
    public async Task Server_OnADeviceThatTheBuildLacks_DoesNotStart_AndSaysHowToBuildIt()
    {
        using var data = new DataFolder();
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(
            () => ServerProcess.StartAsync(data, ["--Server:Device=cuda"]));
        Assert.Contains($"Serving cannot start: {NotInBuild}", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Job_OnADeviceThatTheBuildLacks_IsRefused()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data);
        await Letters.UploadAsync(data, server.Client);
        var spec = Letters.MaskJob(epochs: 1, "t");
        spec.Device = "cuda";
        var refused = await Assert.ThrowsAsync<RpcException>(
            () => server.Client.Jobs.SubmitJobAsync(new() { Spec = spec }).ResponseAsync);
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.StartsWith(NotInBuild, refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_SaysWhatThereIs_AndWhetherADeviceCanBeUsed()
    {
        var (code, output, _) = await CommandLine.RunAsync(NoServer, "doctor");
        Assert.Equal(0, code);
        Assert.Contains("The device cpu can be used.", output, StringComparison.Ordinal);
        (code, output, _) = await CommandLine.RunAsync(NoServer, "doctor", "--device", "cuda");
        Assert.Equal(1, code);
        Assert.Contains(NotInBuild, output, StringComparison.Ordinal);
    }
}
