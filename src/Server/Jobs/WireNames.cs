using System.Text.Json;
using Google.Protobuf.Reflection;

namespace Serving.Server.Jobs;

/// <summary>Names of values of enumerations in messages: those of ours, behind that of the type.</summary>
internal static class WireNames
{
    /// <returns>"TRAINING_METHOD_HEAD_ONLY" of HeadOnly.</returns>
    public static string Of(EnumDescriptor type, Enum value) => $"{Upper(type.Name)}_{Upper(value.ToString())}";

    private static string Upper(string name) => JsonNamingPolicy.SnakeCaseUpper.ConvertName(name);
}
