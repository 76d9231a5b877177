using Serving.Server;

try
{
    await using var app = ServerApplication.Build(args);
    await app.StartAsync();
    Console.WriteLine($"Serving listens on {string.Join(", ", app.Urls)}");
    await app.WaitForShutdownAsync();
    return 0;
}
catch (Exception exception) when (exception is ServerOptionsException or IOException)
{
    await Console.Error.WriteLineAsync($"Serving cannot start: {exception.Message}");
    return 1;
}
