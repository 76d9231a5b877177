using System.Text.Json;

namespace Serving.Training.Settings;

/// <summary>Names of settings: those of properties in snake case.</summary>
public static class SettingNames
{
    /// <returns>"batch_size" of "BatchSize".</returns>
    public static string Of(string property) => JsonNamingPolicy.SnakeCaseLower.ConvertName(property);
}
