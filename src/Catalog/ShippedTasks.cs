using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Models.Versions;
using Serving.Storage;

namespace Serving.Catalog;

/// <summary>Tasks that come with the product, over models that do not: taken up when such a model is pulled.</summary>
/// <param name="folder">tasks/NAME/VERSION/, as in a data root; it need not be there.</param>
public sealed class ShippedTasks(string folder, TaskCatalog catalog, IBlobStore blobs)
{
    /// <summary>Beside the program.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "shipped", "tasks");

    /// <summary>Imports the versions over a model's backbone, each with the model's name as an alias.</summary>
    /// <remarks>
    /// A new task gets its production alias, too. Aliases that are there already stay where they point.
    /// </remarks>
    /// <returns>The names of the tasks, in their order.</returns>
    /// <exception cref="DomainException">One can't be stored.</exception>
    public async Task<IReadOnlyList<string>> TakeUpAsync(ModelHost model, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder))
            return [];
        var tasks = new List<string>();
        foreach (var path in Directory.GetDirectories(folder).Order(StringComparer.Ordinal))
        {
            var task = ResourceName.Require("task", Path.GetFileName(path));
            foreach (var version in Directory.GetDirectories(path).Select(Path.GetFileName))
            {
                var files = Path.Combine(path, version!);
                if (VersionFiles.ReadManifest(files, version!).Backbone != model.Digest)
                    continue;
                await TakeUpAsync(task, version!, files, model.Name, cancellationToken);
                tasks.Add(task);
            }
        }

        return tasks;
    }

    private async Task TakeUpAsync(
        string task, string version, string files, string alias, CancellationToken cancellationToken)
    {
        using var upload = new VersionUpload(blobs.Begin(), task, version, long.MaxValue);
        await upload.AppendFolderAsync(files, cancellationToken);
        upload.Finish();
        await catalog.CommitAsync(upload, version, alias: null, TaskAliases.DefaultAlias);
        await catalog.SetAliasAsync(task, alias, target => target ?? AliasTarget.To(version));
    }
}
