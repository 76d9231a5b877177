using System.Diagnostics;
using Serving.Testing;

namespace Serving.EndToEnd.Tests;

/// <summary>The command line as a process.</summary>
internal static class CommandLine
{
    /// <param name="address">The server that it calls.</param>
    public static async Task<(int Exit, string Output, string Errors)> RunAsync(
        string address, params string[] arguments)
    {
        // With the libraries of the tests, which lie beside it; its own list has some that ASP.NET Core brings here.
        string At(string file) => Path.Combine(AppContext.BaseDirectory, file);
        var start = new ProcessStartInfo(
            "dotnet",
            [
                "exec",
                "--runtimeconfig",
                At("EndToEnd.Tests.runtimeconfig.json"),
                "--depsfile",
                At("EndToEnd.Tests.deps.json"),
                At("serving.dll"),
                .. arguments
            ])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        start.Environment["SERVING_SERVER"] = address;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().Within();
        return (process.ExitCode, await output, await errors);
    }
}
