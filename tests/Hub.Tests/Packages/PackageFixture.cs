using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Security.Cryptography;
using NuGet.Configuration;
using NuGet.Packaging;
using NuGet.Versioning;
using Serving.Hub.Packages;
using PackageSource = Serving.Hub.Packages.PackageSource;

namespace Serving.Hub.Tests.Packages;

/// <summary>A small package with a model, and a NuGet.Config of the test's own.</summary>
internal sealed class PackageFixture
{
    public const string Source = "nuget:tiny";
    private const string Id = "Tiny.Bert";
    private const string Version = "1.2.3";
    private const string Graph = $"{Id}.Resources.model.onnx";
    private const string Vocabulary = $"{Id}.Resources.vocab.txt";

    private readonly PullFixture _pull;
    private readonly PackagedModel _model;

    public PackageFixture(PullFixture pull)
    {
        _pull = pull;
        Directory.CreateDirectory(Feed);
        Resources = new(StringComparer.Ordinal)
        {
            [Graph] = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "exports", "opset17.onnx")),
            [Vocabulary] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n"u8.ToArray()
        };
        _model = new(
            "tiny", Id, Version, $"lib/netstandard2.1/{Id}.dll",
            new(Graph, Sha256(Resources[Graph])), new(Vocabulary, Sha256(Resources[Vocabulary])))
        {
            Page = "https://example.org/tiny",
            License = "apache-2.0"
        };
        Configure($"""<add key="local" value="{Feed}" />""");
    }

    /// <summary>Where packages of the source "local" lie.</summary>
    public string Feed => _pull.At("feed");

    /// <summary>NuGet's folder of packages.</summary>
    public string Installed => _pull.At("packages");

    /// <summary>The resources of the assembly that <see cref="Pack"/> makes.</summary>
    public Dictionary<string, byte[]> Resources { get; }

    /// <summary>What the assembly is, if it is another than one with the resources.</summary>
    public byte[]? Assembly { get; set; }

    /// <param name="sources">As in NuGet.Config.</param>
    /// <param name="more">Sections of NuGet.Config.</param>
    public void Configure(string sources, string more = "") => File.WriteAllText(
        _pull.At("NuGet.Config"),
        $"""
        <configuration>
          <config><add key="globalPackagesFolder" value="{Installed}" /></config>
          <packageSources><clear />{sources}</packageSources>
          {more}
        </configuration>
        """);

    public Task<PullResult> PullAsync(string source = Source, string revision = "") => _pull.PullAsync(
        source,
        request => request with { Revision = revision },
        from: new PackageSource(
            [_model], () => Settings.LoadSpecificSettings(_pull.At(""), "NuGet.Config"), _pull.Time));

    /// <summary>The package's bytes.</summary>
    public byte[] Pack()
    {
        var assembly = _pull.At("assembly.dll");
        File.WriteAllBytes(assembly, Assembly ?? Compile());
        var package = new PackageBuilder
        {
            Id = Id,
            Version = NuGetVersion.Parse(Version),
            Description = "A model.",
            Authors = { "Tests" },
            Files = { new PhysicalPackageFile { SourcePath = assembly, TargetPath = _model.Assembly } }
        };
        using var bytes = new MemoryStream();
        package.Save(bytes);
        return bytes.ToArray();
    }

    /// <summary>Puts the package into the folder of the source "local".</summary>
    public void Publish() => File.WriteAllBytes(Path.Combine(Feed, $"{Id}.{Version}.nupkg"), Pack());

    /// <summary>Puts the package where NuGet has those that were restored.</summary>
    public void Install()
    {
        var folder = Directory.CreateDirectory(Path.Combine(Installed, Id.ToLowerInvariant(), Version)).FullName;
        File.WriteAllBytes(Path.Combine(folder, $"{Id.ToLowerInvariant()}.{Version}.nupkg"), Pack());
    }

    private byte[] Compile()
    {
        var builder = new PersistedAssemblyBuilder(new AssemblyName(Id), typeof(object).Assembly);
        builder.DefineDynamicModule(Id);
        var metadata = builder.GenerateMetadata(out var code, out _);
        var resources = new BlobBuilder();
        foreach (var (name, bytes) in Resources)
        {
            metadata.AddManifestResource(
                ManifestResourceAttributes.Public, metadata.GetOrAddString(name), default, (uint)resources.Count);
            resources.WriteInt32(bytes.Length);
            resources.WriteBytes(bytes);
            resources.Align(8);
        }

        var file = new BlobBuilder();
        new ManagedPEBuilder(
            PEHeaderBuilder.CreateLibraryHeader(), new MetadataRootBuilder(metadata), code,
            managedResources: resources).Serialize(file);
        return file.ToArray();
    }

    private static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
