using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;

namespace Serving.Models.Gpt2;

/// <summary>Parameters of a Hugging Face checkpoint, with or without the prefix "transformer.".</summary>
/// <remarks>Matrices come as [outFeatures, inFeatures]; one at a time is kept transposed.</remarks>
public sealed class Gpt2CheckpointParameters(WeightFiles files) : IParameterSource
{
    private string? _transposedName;
    private float[] _transposed = [];

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        var entry = Find(name);
        var isTransposed = Gpt2Tensors.IsTransposed(name);
        long[] needed = Gpt2Tensors.IsVector(name) ? [columns] : isTransposed ? [columns, rows] : [rows, columns];
        if (!entry.Shape.SequenceEqual(needed))
        {
            throw new ModelFileException(
                $"{files.Path}: {entry} has another shape than config.json says; [{string.Join(", ", needed)}] is "
                + "needed.");
        }

        if (isTransposed)
            ReadTransposed(entry, rows, columns).AsSpan(firstRow * columns, values.Length).CopyTo(values);
        else
            files.ReadFloats(entry.Name, (long)firstRow * columns, values);
        files.ThrowUnlessFinite(entry, values);
    }

    /// <exception cref="ModelFileException">A tensor of the decoder is unknown, or there under two names.</exception>
    internal void ThrowUnlessKnown(Gpt2Config config)
    {
        var known = Gpt2Tensors.Parameters(config).Select(parameter => parameter.Name)
            .Append(Gpt2Tensors.Head).ToHashSet(StringComparer.Ordinal);
        foreach (var name in files.Entries.Keys.Order(StringComparer.Ordinal))
        {
            var isInside = name.StartsWith(Gpt2Tensors.Prefix, StringComparison.Ordinal);
            var bare = isInside ? name[Gpt2Tensors.Prefix.Length..] : name;
            if (isInside && files.Entries.ContainsKey(bare))
            {
                throw new ModelFileException(
                    $"{files.Path} has both '{bare}' and '{name}', which mean the same; one is needed.");
            }

            // The causal mask is among the tensors of some files. It follows from the configuration.
            var isMask = bare.EndsWith(".attn.bias", StringComparison.Ordinal)
                || bare.EndsWith(".attn.masked_bias", StringComparison.Ordinal);
            var isPart = isInside || bare.StartsWith("h.", StringComparison.Ordinal);
            if (isPart && !isMask && !known.Contains(bare))
            {
                throw new ModelFileException(
                    $"{files.Path}: {files.Entries[name]} is no part of a GPT-2 of {config.Layers} n_layer, as "
                    + "config.json has it, and may change what the model computes. Correct config.json, or remove the "
                    + "tensor.");
            }
        }
    }

    private float[] ReadTransposed(SafetensorsEntry entry, int rows, int columns)
    {
        if (_transposedName == entry.Name)
            return _transposed;
        var stored = new float[rows * columns];
        files.ReadFloats(entry.Name, 0, stored);
        if (_transposed.Length != stored.Length)
            _transposed = new float[stored.Length];
        for (var column = 0; column < columns; column++)
        {
            for (var row = 0; row < rows; row++)
                _transposed[(row * columns) + column] = stored[(column * rows) + row];
        }

        _transposedName = entry.Name;
        return _transposed;
    }

    private SafetensorsEntry Find(string name)
    {
        foreach (var candidate in (string[])[name, Gpt2Tensors.Prefix + name])
        {
            if (files.Entries.TryGetValue(candidate, out var entry))
                return entry;
        }

        throw new ModelFileException(
            $"{files.Path} has no tensor '{name}', with or without '{Gpt2Tensors.Prefix}', which a GPT-2 of "
            + $"config.json needs; it has {files.Entries.Count} others.");
    }
}
