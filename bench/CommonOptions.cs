using System.CommandLine;
using Serving.Backends;
using Serving.Tensors;

namespace Serving.Bench;

/// <summary>Options that several benchmarks have.</summary>
internal static class CommonOptions
{
    private const string TorchLibraries = "SERVING_TORCH";

    public static Option<string> Device()
    {
        var option = new Option<string>("--device")
        {
            DefaultValueFactory = _ => BackendFactory.Default,
            Description = $"{BackendFactory.Help}; libtorch is what {TorchLibraries} names"
        };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { } device && !BackendFactory.IsName(device))
                result.AddError($"There is no device '{device}'; there is {BackendFactory.Help}.");
        });
        return option;
    }

    /// <summary>A device on so many threads.</summary>
    public static TrainingBackend CreateBackend(string device, int threads) => BackendFactory.Create(
        device,
        new() { Threads = threads, TorchLibraries = Environment.GetEnvironmentVariable(TorchLibraries) });

    public static Option<bool> Json() => new("--json") { Description = "One JSON object a line." };
}
