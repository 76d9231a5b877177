using System.CommandLine;
using Serving.Backends;

namespace Serving.Bench;

/// <summary>Options that several benchmarks have.</summary>
internal static class CommonOptions
{
    public static Option<string> Device()
    {
        var option = new Option<string>("--device")
        {
            DefaultValueFactory = _ => BackendFactory.Default,
            Description = string.Join(", ", BackendFactory.Names)
        };
        option.AcceptOnlyFromAmong([.. BackendFactory.Names]);
        return option;
    }

    public static Option<bool> Json() => new("--json") { Description = "One JSON object a line." };
}
