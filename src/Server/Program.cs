using Serving.Catalog;
using Serving.Catalog.Stored;
using Serving.Models;
using Serving.Models.Versions;
using Serving.Server;
using Serving.Server.Configuration;
using Serving.Server.Lifetime;
using Serving.Storage;
using Serving.Tensors;

if (args is [HealthCommand.Verb, .. var rest])
    return await HealthCommand.RunAsync(rest);
try
{
    if (args is [DoctorCommand.Verb, .. var settings])
        return DoctorCommand.Run(settings);
    await using var app = ServerApplication.Build(args);
    await app.StartAsync();
    var (grpc, http) = ServerApplication.Urls(app);
    Console.WriteLine($"Serving listens on {grpc}");
    if (http is not null)
        Console.WriteLine($"JSON and gRPC-Web over HTTP/1.1 on {http}");
    _ = SayWhatToTryAsync(app);
    await app.WaitForShutdownAsync();
    return app.Services.GetRequiredService<CatalogLifetime>().Failure is { } failure ? throw failure : 0;
}
catch (Exception exception) when (exception is ServerOptionsException or IOException or UnauthorizedAccessException
    or ModelFileException or DomainException or DeviceUnavailableException)
{
    await Console.Error.WriteLineAsync($"Serving cannot start: {exception.Message}");
    return 1;
}

// A line to begin with, once there is something to ask.
static async Task SayWhatToTryAsync(WebApplication app)
{
    const string Example = "what a charming film";
    await app.Services.GetRequiredService<Readiness>().WhenReadyAsync(app.Lifetime.ApplicationStopping);
    var table = app.Services.GetRequiredService<TaskCatalog>().Table;
    string[] tasks = [.. table.Tasks.Values
        .Where(task => task.Aliases.Aliases.GetValueOrDefault(TaskAliases.DefaultAlias) is { } target
            && task.Versions.TryGetValue(target.Version, out var version)
            && version.Manifest.Inputs == TextInputs.Text
            && table.FindHost(version) is not null)
        .Select(task => task.Name)
        .Take(3)];
    if (tasks.Length == 0)
        return;
    var (grpc, http) = ServerApplication.Urls(app);
    if (http is not null)
    {
        var request = $$"""{"inputs":[{"text":"{{Example}}"}],"tasks":[{"task":"{{tasks[^1]}}"}]}""";
        Console.WriteLine($"Try: curl {http}/v1/classify --json '{request}'");
    }

    Console.WriteLine(
        $"Try: dotnet run -c Release --project src/Cli -- classify \"{Example}\" --task {string.Join(' ', tasks)} "
        + $"--server {grpc}");
}
