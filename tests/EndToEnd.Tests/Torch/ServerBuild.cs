using Serving.Testing;

[assembly: TestFramework("Serving.Testing.SkippingFramework", "EndToEnd.Tests")]

namespace Serving.EndToEnd.Tests;

/// <summary>A build of the server, and the device that it computes on.</summary>
/// <param name="Folder">Of its program.</param>
/// <param name="LogitTolerance">How far a text's logits may be from those of the text alone.</param>
internal sealed record ServerBuild(string Folder, IReadOnlyList<string> Flags, float LogitTolerance)
{
    private const string FolderVariable = "SERVING_TORCH_SERVER";
    private const string LibrariesVariable = "SERVING_TORCH";

    /// <summary>The one of every build, on the device of every machine: bits do not depend on the batch.</summary>
    public static ServerBuild Default { get; } = new(AppContext.BaseDirectory, [], LogitTolerance: 0);

    /// <summary>A server built with libtorch, on its processor device.</summary>
    public static ServerBuild Torch => new(
        Environment.GetEnvironmentVariable(FolderVariable)!,
        [
            "--Server:Device=torch-cpu", "--Server:Threads=1",
            $"--Server:TorchLibraries={Environment.GetEnvironmentVariable(LibrariesVariable)}"
        ],
        LogitTolerance: 1e-4f);

    /// <summary>What the second one lacks here; null for nothing.</summary>
    public static string? MissingTorch { get; } =
        ((string[])[FolderVariable, LibrariesVariable])
            .Any(name => Environment.GetEnvironmentVariable(name) is null or "")
            ? $"{FolderVariable} and {LibrariesVariable} name no server with libtorch and no libtorch: make them with "
                + "tests/torch/server.sh and tests/torch/libraries.sh."
            : null;
}

/// <summary>Tests on a server with libtorch.</summary>
internal sealed class NeedsTorchServerAttribute : NeedsAttribute
{
    public override string? Missing => ServerBuild.MissingTorch;
}
