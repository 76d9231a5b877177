using Serving.InteropHost;

if (InteropHostOptions.Parse(args, Console.Error) is not { } options)
{
    return 2;
}

await using var app = InteropApplication.Build(options);
await app.StartAsync();
Console.WriteLine($"Interop host listens on {app.Urls.First()}");
await app.WaitForShutdownAsync();
return 0;
