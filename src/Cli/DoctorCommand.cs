using System.CommandLine;
using Serving.Backends;

namespace Serving.Cli;

/// <summary>serving doctor: what this machine and this build have for devices. Asks no server.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var device = new Option<string>("--device")
        {
            Description = $"Whether it can be used here: {BackendFactory.Help}.",
            DefaultValueFactory = _ => BackendFactory.Default
        };
        device.Validators.Add(given =>
        {
            if (given.GetValue(device) is { } name && !BackendFactory.IsName(name))
                given.AddError($"There is no device '{name}'; there is {BackendFactory.Help}.");
        });
        var libraries = new Option<DirectoryInfo?>("--torch-libraries")
        {
            Description = "A folder with libtorch, as the server's setting Server:TorchLibraries."
        };
        var command = new Command("doctor", "What this machine has for devices: processor, libraries, driver, GPUs.")
        {
            device, libraries
        };
        command.SetAction(parsed =>
        {
            var folder = parsed.GetValue(libraries)?.FullName;
            foreach (var sentence in Doctor.Examine(folder))
                Console.WriteLine(sentence);
            var reason = Doctor.WhyNot(parsed.GetValue(device)!, folder);
            Console.WriteLine(reason ?? $"The device {parsed.GetValue(device)} can be used.");
            return reason is null ? 0 : 1;
        });
        return command;
    }
}
