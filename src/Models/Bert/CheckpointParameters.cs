using Serving.Models.Safetensors;

namespace Serving.Models.Bert;

/// <summary>
/// Parameters of a safetensors checkpoint, with or without the prefix "bert."; norms may have gamma and beta for weight
/// and bias.
/// </summary>
public sealed class CheckpointParameters(SafetensorsFile file) : IParameterSource
{
    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        var entry = Find(name);
        var shape = entry.Shape;
        var isRight = rows == 1 && shape.Count == 1
            ? shape[0] == columns
            : shape.Count == 2 && shape[0] == rows && shape[1] == columns;
        if (!isRight)
        {
            throw new ModelFileException(
                $"{file.Path}: {entry} has another shape than config.json says; [{rows}, {columns}] is needed.");
        }

        file.ReadFloats(entry.Name, (long)firstRow * columns, values);
    }

    private SafetensorsEntry Find(string name)
    {
        var legacy = name.Contains("LayerNorm", StringComparison.Ordinal)
            ? name.Replace(".weight", ".gamma", StringComparison.Ordinal)
                .Replace(".bias", ".beta", StringComparison.Ordinal)
            : name;
        foreach (var candidate in (string[])[name, "bert." + name, legacy, "bert." + legacy])
        {
            if (file.Entries.TryGetValue(candidate, out var entry))
                return entry;
        }

        return file.Entry(name); // Says that it is missing.
    }
}
