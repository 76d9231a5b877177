using Serving.Models.Parameters;
using Serving.Models.Safetensors;

namespace Serving.Models.Bert;

/// <summary>
/// Parameters of a safetensors checkpoint, with or without the prefix "bert."; norms may have gamma and beta for weight
/// and bias.
/// </summary>
public sealed class CheckpointParameters(WeightFiles files) : IParameterSource
{
    private const int ChunkFloats = 1 << 20;

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
                $"{files.Path}: {entry} has another shape than config.json says; [{rows}, {columns}] is needed for "
                + $"{BertTensors.SizeFields(name)}.");
        }

        files.ReadFloats(entry.Name, (long)firstRow * columns, values);
        if (CountNotFinite(values) > 0)
            throw NotFinite(entry);
    }

    private static int CountNotFinite(ReadOnlySpan<float> values)
    {
        var count = 0;
        foreach (var value in values)
            count += float.IsFinite(value) ? 0 : 1;
        return count;
    }

    /// <summary>Counts in the whole tensor what no answer can come from.</summary>
    private ModelFileException NotFinite(SafetensorsEntry entry)
    {
        var elements = entry.ByteCount / SafetensorsTypes.ElementBytes(entry.Type);
        var chunk = new float[Math.Min(elements, ChunkFloats)];
        var count = 0L;
        for (var first = 0L; first < elements; first += chunk.Length)
        {
            var part = chunk.AsSpan(0, (int)Math.Min(chunk.Length, elements - first));
            files.ReadFloats(entry.Name, first, part);
            count += CountNotFinite(part);
        }

        return new(
            $"{files.Path}: {entry} has {count} of {elements} values that are no finite numbers as float32. The "
            + "training that wrote it went wrong, or the file is damaged: take an earlier state or fetch it again.");
    }

    private SafetensorsEntry Find(string name)
    {
        foreach (var candidate in BertTensors.Spellings(name))
        {
            if (files.Entries.TryGetValue(candidate, out var entry))
                return entry;
        }

        throw new ModelFileException($"{files.Path} has no tensor '{name}', which is needed{WhatToDo(name)}");
    }

    private string WhatToDo(string name)
    {
        var longer = files.Entries.Keys.Where(other => other.EndsWith($".{name}", StringComparison.Ordinal)).Min();
        if (longer is not null)
        {
            return $"; it has '{longer}'. Save the BERT in it as a model of its own: names begin as in BertModel, or "
                + "with 'bert.'.";
        }

        if (name.StartsWith(BertTensors.Pooler, StringComparison.Ordinal))
            return ": the pooler is there in part. Save the model again, with all of its pooler or without any.";

        var isInLayer = name.StartsWith("encoder.", StringComparison.Ordinal);
        var reason = isInLayer ? " for num_hidden_layers in config.json" : "";
        return $"{reason}; it has {files.Entries.Count} others.";
    }
}
