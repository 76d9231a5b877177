namespace Serving.Tensors.Torch.Tests;

/// <summary>What is missing or does not fit is said in a sentence; none of it needs libtorch.</summary>
public sealed class TorchLibrariesTests
{
    private const string Remedy =
        "build with -p:Torch=cpu or -p:Torch=cuda, or name the lib folder of a libtorch, or torch/lib of a Python "
        + "installation, in Server:TorchLibraries.";

    [Theory]
    [InlineData("")]
    [InlineData("lib")]
    [InlineData("torch/lib")]
    public void FindTorch_AFolderOrOneAboveIt_IsFound(string below)
    {
        using var folder = new TemporaryFolder();
        var torch = Directory.CreateDirectory(folder.At(below)).FullName;
        File.WriteAllText(Path.Combine(torch, "libtorch_cpu.so"), "");
        Assert.Equal(Path.TrimEndingDirectorySeparator(torch), Path.TrimEndingDirectorySeparator(
            TorchLibraries.FindTorch(folder.Path)));
    }

    [Fact]
    public void FindTorch_AnotherFolder_SaysWhatIsNeeded()
    {
        using var folder = new TemporaryFolder();
        var refusal = Assert.Throws<DeviceUnavailableException>(() => TorchLibraries.FindTorch(folder.Path));
        Assert.Equal($"There is no libtorch_cpu.so in '{folder.Path}': {Remedy}", refusal.Message);
    }

    [Fact]
    public void CheckVersion_TheWantedOne_IsNamed() =>
        Assert.Equal("2.10.1", TorchLibraries.CheckVersion("/torch", 0x020A_0100_0000_0000));

    [Theory]
    [InlineData(0x020B_0000_0000_0000, "2.11.0")]
    [InlineData(0x0209_0100_0000_0000, "2.9.1")]
    [InlineData(0x0264_0000_0000_0000, "2.100.0")]
    [InlineData(null, "older than 2.9")]
    public void CheckVersion_AnotherOne_NamesBoth(long? number, string version)
    {
        var refusal = Assert.Throws<DeviceUnavailableException>(
            () => TorchLibraries.CheckVersion("/torch", (ulong?)number));
        Assert.Equal(
            $"libtorch in '/torch' is {version}; TorchSharp 0.107.0 needs 2.10: {Remedy}", refusal.Message);
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda: 1")]
    public void Create_UnknownDevice_NamesThoseThereAre(string device)
    {
        var refusal = Assert.Throws<ArgumentException>(() => TorchDevices.Create(device, null, new()));
        Assert.Equal(
            $"There is no device '{device}'; there is torch-cpu, cuda, cuda:1 and so on.", refusal.Message);
    }
}
