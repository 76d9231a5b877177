using Serving.Models;
using Serving.Models.Tasks;
using Serving.Server;
using Serving.Server.Catalog;
using Serving.Server.Jobs;
using Serving.Server.Storage;

if (args is [Worker.Verb, var order])
    return Worker.Run(order);
try
{
    await using var app = ServerApplication.Build(args);
    await app.StartAsync();
    Console.WriteLine($"Serving listens on {string.Join(", ", app.Urls)}");
    _ = SayWhatToTryAsync(app);
    await app.WaitForShutdownAsync();
    return app.Services.GetRequiredService<CatalogLifetime>().Failure is { } failure ? throw failure : 0;
}
catch (Exception exception) when (exception is ServerOptionsException or IOException or UnauthorizedAccessException or ModelFileException
    or StorageException)
{
    await Console.Error.WriteLineAsync($"Serving cannot start: {exception.Message}");
    return 1;
}

// A line to begin with, once there is something to ask.
static async Task SayWhatToTryAsync(WebApplication app)
{
    await app.Services.GetRequiredService<Readiness>().WhenReadyAsync(app.Lifetime.ApplicationStopping);
    var table = app.Services.GetRequiredService<TaskCatalog>().Table;
    string[] tasks = [.. table.Tasks.Values
        .Where(task => task.Aliases.Aliases.GetValueOrDefault(TaskAliases.DefaultAlias) is { } target
            && task.Versions.TryGetValue(target.Version, out var version)
            && version.Manifest.Inputs == TaskInputs.Text
            && table.FindHost(version) is not null)
        .Select(task => task.Name)
        .Take(3)];
    if (tasks.Length > 0)
        Console.WriteLine($"Try: dotnet run -c Release --project src/Cli -- classify \"what a charming film\" --task {string.Join(' ', tasks)} --server {app.Urls.First()}");
}
