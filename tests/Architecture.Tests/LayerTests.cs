namespace Serving.Architecture.Tests;

/// <summary>Which project may reference which; the map has every project under src.</summary>
public sealed class LayerTests
{
    private static readonly Dictionary<string, string[]> Map = new(StringComparer.Ordinal)
    {
        ["Tensors"] = [],
        ["Text"] = [],
        ["Rpc"] = [],
        ["Protocol"] = ["Rpc"], // The stubs need Grpc.Core; see docs/decisions.
        ["Models"] = ["Tensors", "Text"],
        ["Inference"] = ["Tensors", "Text", "Models"],
        ["Training"] = ["Tensors", "Text", "Models"],
        ["Rpc.AspNetCore"] = ["Rpc"],
        ["Rpc.Services"] = ["Rpc", "Rpc.AspNetCore", "Protocol"],
        ["Client"] = ["Protocol", "Rpc"],
        ["Cli"] = ["Client", "Protocol", "Rpc"],
        ["Server"] =
        [
            "Tensors", "Text", "Rpc", "Protocol", "Models", "Inference", "Training", "Rpc.AspNetCore", "Rpc.Services"
        ]
    };

    /// <summary>Layers that may use ASP.NET Core.</summary>
    private static readonly string[] WebLayers = ["Rpc.AspNetCore", "Rpc.Services", "Server"];

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
            .Select(
                reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')))
            .Concat(GrpcReferences(project.Descendants("UsesGrpc").SingleOrDefault()?.Value));

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

    [Fact]
    public void EveryProject_IsInTheSolution()
    {
        var solution = Repository.Read("Serving.sln").Replace('\\', '/');
        string[] folders = ["src", "tests", "bench"];
        Assert.All(
            folders.SelectMany(folder => Repository.Files(folder, "*.csproj")),
            project => Assert.Contains(project, solution, StringComparison.Ordinal));
    }

    /// <summary>What Directory.Build.targets adds for UsesGrpc.</summary>
    private static string[] GrpcReferences(string? usesGrpc) => usesGrpc switch
    {
        null => [],
        "Client" => ["Rpc"],
        "Server" => ["Rpc", "Rpc.AspNetCore"],
        _ => throw new InvalidOperationException($"UsesGrpc is '{usesGrpc}'; it must be Client or Server.")
    };
}
