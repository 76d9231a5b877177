using Serving.Models.Safetensors;
using Serving.Tensors;

namespace Serving.Models.Parameters;

/// <summary>Parameters of a checkpoint that has them under their own names, and no others.</summary>
internal sealed class PlainCheckpoint : IParameterSource
{
    private readonly WeightFiles _files;
    private readonly Func<string, bool> _isVector;
    private readonly string _model;

    /// <param name="known">All that there may be.</param>
    /// <param name="isVector">Whether files have a parameter without its dimension of one row.</param>
    /// <param name="model">What the parameters make, for messages.</param>
    /// <exception cref="ModelFileException">There is another tensor.</exception>
    public PlainCheckpoint(
        WeightFiles files, IEnumerable<(string Name, int Rows, int Columns)> known, Func<string, bool> isVector,
        string model)
    {
        (_files, _isVector, _model) = (files, isVector, model);
        var names = known.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        if (files.Entries.Keys.Order(StringComparer.Ordinal).FirstOrDefault(name => !names.Contains(name)) is { } other)
        {
            throw new ModelFileException(
                $"{files.Path}: {files.Entries[other]} is no part of {model}, as config.json has it, and may change "
                + "what the model computes. Correct config.json, or remove the tensor.");
        }
    }

    /// <summary>Writes parameters as they are, all into one file.</summary>
    /// <param name="isVector">Whether the file has a parameter without its dimension of one row.</param>
    /// <param name="format">How weights are kept in the file.</param>
    public static void Write(
        NewModelFolder folder, IEnumerable<(string Name, int Rows, int Columns)> parameters,
        Func<string, bool> isVector, IParameterSource weights, WeightFormat format)
    {
        var writer = new SafetensorsWriter();
        writer.Metadata.Add("format", "pt");
        foreach (var (name, rows, columns) in parameters)
        {
            var values = new float[checked(rows * columns)];
            weights.Read(name, rows, columns, 0, values);
            writer.Add(name, isVector(name) ? [columns] : [rows, columns], values, format);
        }

        folder.Write(ModelFiles.Weights, writer.Write);
    }

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        if (!_files.Entries.TryGetValue(name, out var entry))
        {
            throw new ModelFileException(
                $"{_files.Path} has no tensor '{name}', which {_model} needs; it has {_files.Entries.Count} others.");
        }

        long[] needed = _isVector(name) ? [columns] : [rows, columns];
        if (!entry.Shape.SequenceEqual(needed))
        {
            throw new ModelFileException(
                $"{_files.Path}: {entry} has another shape than config.json says; [{string.Join(", ", needed)}] is "
                + "needed.");
        }

        _files.ReadFloats(entry.Name, (long)firstRow * columns, values);
        _files.ThrowUnlessFinite(entry, values);
    }
}
