using Serving.Models;
using Serving.Server;
using Serving.Server.Jobs;
using Serving.Server.Storage;

if (args is [Worker.Verb, var order])
    return Worker.Run(order);
try
{
    await using var app = ServerApplication.Build(args);
    await app.StartAsync();
    Console.WriteLine($"Serving listens on {string.Join(", ", app.Urls)}");
    await app.WaitForShutdownAsync();
    return app.Services.GetRequiredService<CatalogLifetime>().Failure is { } failure ? throw failure : 0;
}
catch (Exception exception) when (exception is ServerOptionsException or IOException or UnauthorizedAccessException or ModelFileException
    or StorageException)
{
    await Console.Error.WriteLineAsync($"Serving cannot start: {exception.Message}");
    return 1;
}
