using Grpc.Core;
using Serving.Models;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

/// <summary>A model that can be read, and not hosted.</summary>
public sealed class DecoderFolderTests
{
    [Fact]
    public async Task Gpt2_AmongTheModels_IsLeftOutAndSaysWhy()
    {
        var data = new DataFolder();
        var folder = Directory.CreateDirectory(Path.Combine(data.Path, "models", "generator")).FullName;
        foreach (var file in (string[])[ModelFiles.Config, ModelFiles.Weights])
            File.Copy(Path.Combine(AppContext.BaseDirectory, "golden", "gpt2", file), Path.Combine(folder, file));
        await using var server = await TestServer.RestartAsync(data);

        Assert.Equal([DataFolder.Model], server.Catalog.Table.Models.Keys);
        var error = await Assert.ThrowsAsync<RpcException>(
            async () => await server.Client.Models.LoadModelAsync(new() { Model = "generator" }));
        Assert.Equal(StatusCode.FailedPrecondition, error.StatusCode);
        Assert.EndsWith(
            "generator is a gpt2, which can be opened, but does not run here.", error.Status.Detail,
            StringComparison.Ordinal);
        Assert.False((await server.Client.Models.GetModelAsync(new() { Model = "generator" })).Loaded);
    }
}
