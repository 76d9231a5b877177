using Serving.Tensors;

namespace Serving.Backends.Tests;

public sealed class BackendFactoryTests
{
    [Fact]
    public void Create_Default_GivesABackendThatComputes()
    {
        using var backend = BackendFactory.Create(BackendFactory.Default, new() { Threads = 1 });
        using var x = backend.Allocate(2, 3);
        x.CopyFrom([1, 2, 3, 4, 5, 6]);
        backend.Apply(Elementwise.Add, x, x, x);
        Assert.Equal([2, 4, 6, 8, 10, 12], x.ToArray());
    }

    [Theory]
    [InlineData(3, 3)]
    [InlineData(0, null)]
    public void Create_Cpu_HasTheThreadsAskedFor(int threads, int? expected)
    {
        using var backend = BackendFactory.Create(BackendFactory.Default, new() { Threads = threads });
        Assert.Contains(
            $", {expected ?? Environment.ProcessorCount} thread", backend.Description, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tpu")]
    [InlineData("cuda:")]
    [InlineData("cuda:x")]
    [InlineData("cuda:1000")]
    [InlineData("CPU")]
    public void Create_UnknownName_NamesThoseThereAre(string name)
    {
        var refusal = Assert.Throws<ArgumentException>(() => BackendFactory.Create(name, new()));
        Assert.Equal($"There is no device '{name}'; there is cpu, torch-cpu, cuda, cuda:1 and so on.", refusal.Message);
    }

    [Theory]
    [InlineData("torch-cpu")]
    [InlineData("cuda")]
    [InlineData("cuda:12")]
    public void Create_DeviceThatTheBuildLacks_SaysHowToBuildIt(string name)
    {
        var refusal = Assert.Throws<DeviceUnavailableException>(() => BackendFactory.Create(name, new()));
        Assert.StartsWith(
            $"The device {name} is not in this build: build with -p:Torch=cpu or -p:Torch=cuda, or with ",
            refusal.Message, StringComparison.Ordinal);
    }
}
