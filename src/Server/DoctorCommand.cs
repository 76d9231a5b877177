using Serving.Backends;

namespace Serving.Server;

/// <summary>The verb "doctor": what machine and build have for devices, for images without other tools.</summary>
internal static class DoctorCommand
{
    public const string Verb = "doctor";

    /// <param name="args">The server's settings, of which Device and TorchLibraries count.</param>
    /// <returns>0 if the server's device can be used, 1 if not.</returns>
    public static int Run(string[] args)
    {
        var options = ServerApplication.ReadOptions(new ConfigurationBuilder()
            .SetBasePath(AppContext.BaseDirectory)
            .AddJsonFile("appsettings.json", optional: true)
            .AddEnvironmentVariables()
            .AddCommandLine(args)
            .Build());
        foreach (var sentence in Doctor.Examine(options.TorchLibraries))
            Console.WriteLine(sentence);
        var reason = Doctor.WhyNot(options.Device, options.TorchLibraries);
        Console.WriteLine(reason ?? $"The device {options.Device} can be used.");
        return reason is null ? 0 : 1;
    }
}
