namespace Serving.Backends.Tests;

public sealed class BackendFactoryTests
{
    public static TheoryData<string> Names => [.. BackendFactory.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Create_EachName_GivesABackendThatComputes(string name)
    {
        using var backend = BackendFactory.Create(name, new() { Threads = 1 });
        using var x = backend.Allocate(2, 3);
        x.CopyFrom([1, 2, 3, 4, 5, 6]);
        backend.Apply(Tensors.Elementwise.Add, x, x, x);
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

    [Fact]
    public void Create_UnknownName_NamesThoseThereAre()
    {
        var refusal = Assert.Throws<ArgumentException>(() => BackendFactory.Create("tpu", new()));
        Assert.Equal("There is no device 'tpu'; there is cpu.", refusal.Message);
    }
}
