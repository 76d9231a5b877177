using System.CommandLine;

namespace Serving.Bench;

/// <summary>Options that several benchmarks have.</summary>
internal static class CommonOptions
{
    public static Option<bool> Json() => new("--json") { Description = "One JSON object a line." };
}
