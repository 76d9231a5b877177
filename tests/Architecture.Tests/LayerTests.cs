namespace Serving.Architecture.Tests;

/// <summary>Which project may reference which; the map has every project under src.</summary>
public sealed class LayerTests
{
    internal static readonly Dictionary<string, string[]> Map = new(StringComparer.Ordinal)
    {
        ["Threading"] = [],
        ["Tensors"] = [],
        ["Tensors.Cpu"] = ["Tensors", "Threading"],
        ["Tensors.Torch"] = ["Tensors"],
        ["Backends"] = ["Tensors", "Tensors.Cpu", "Tensors.Torch"],
        ["Text"] = [],
        ["Tables"] = [],
        ["Protocol"] = [],
        ["Storage"] = [],
        ["Decoding"] = ["Tensors"],
        ["Models"] = ["Storage", "Tensors", "Text"],
        ["Inference"] = ["Threading", "Tensors", "Text", "Decoding", "Models"],
        ["Training"] = ["Storage", "Tensors", "Text", "Tables", "Decoding", "Models"],
        ["Catalog"] = ["Storage", "Tensors", "Text", "Decoding", "Models", "Inference"],
        ["Jobs"] = ["Storage", "Threading", "Inference", "Catalog"],
        ["Hub"] = ["Storage", "Models", "Catalog"],
        ["Worker"] = ["Storage", "Tensors", "Backends", "Training", "Jobs"],
        ["Client"] = ["Protocol"],
        ["Cli"] = ["Backends", "Client", "Protocol", "Tables"],
        ["Server"] =
        [
            "Storage", "Threading", "Tensors", "Backends", "Text", "Protocol", "Decoding", "Models", "Inference",
            "Training", "Catalog", "Jobs", "Hub", "Worker"
        ]
    };

    /// <summary>Layers that may use ASP.NET Core.</summary>
    private static readonly string[] WebLayers = ["Server"];

    public static TheoryData<string> Layers =>
        [.. Directory.EnumerateDirectories(Path.Combine(Repository.Root, "src")).Select(
            path => Path.GetFileName(path)!)];

    [Theory]
    [MemberData(nameof(Layers))]
    public void Layer_ReferencesOnlyWhatTheMapAllows(string layer)
    {
        Assert.True(Map.ContainsKey(layer), $"src/{layer} is no layer of the map; add it there or move it.");
        var project = Repository.ReadXml($"src/{layer}/{layer}.csproj");
        var references = project.Descendants("ProjectReference")
            .Select(reference => reference.Attribute("Include")!.Value.Replace('\\', '/'))
            .Select(path => Path.GetFileNameWithoutExtension(path));

        Assert.All(references, reference => Assert.Contains(reference, Map[layer]));
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void AspNetCore_IsInTheWebLayersOnly(string layer)
    {
        if (WebLayers.Contains(layer))
        {
            return;
        }

        var project = Repository.Read($"src/{layer}/{layer}.csproj");
        Assert.DoesNotContain("Microsoft.AspNetCore.App", project, StringComparison.Ordinal);
        Assert.DoesNotContain("Sdk.Web", project, StringComparison.Ordinal);
    }

    /// <summary>Messages end in the services; what is stored has a shape of its own.</summary>
    [Theory]
    [InlineData("Storage")]
    [InlineData("Catalog")]
    [InlineData("Jobs")]
    [InlineData("Hub")]
    [InlineData("Worker")]
    public void Protobuf_IsInTheServicesOnly(string layer)
    {
        var project = Repository.Read($"src/{layer}/{layer}.csproj");
        Assert.DoesNotContain("Protobuf", project, StringComparison.Ordinal);
        Assert.DoesNotContain("Grpc", project, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryProject_IsInTheSolution()
    {
        var solution = Repository.Read("Serving.sln").Replace('\\', '/');
        string[] folders = ["src", "tests", "bench"];
        Assert.All(
            folders.SelectMany(folder => Repository.Files(folder, "*.csproj")),
            project => Assert.Contains(project, solution, StringComparison.Ordinal));
    }
}
