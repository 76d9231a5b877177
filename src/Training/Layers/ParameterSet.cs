using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;

namespace Serving.Training.Layers;

/// <summary>A model's parameters in a fixed order, read from weights and found by the names of checkpoints.</summary>
/// <remarks>A parameter is a tensor of the checkpoint, or several that are stacked. All are frozen at first.</remarks>
/// <param name="weights">Where values come from.</param>
public sealed class ParameterSet(TrainingBackend backend, IParameterSource weights) : IDisposable
{
    private readonly List<Parameter> _parameters = [];
    private readonly Dictionary<string, (Parameter Parameter, int First, int Size)> _byName =
        new(StringComparer.Ordinal);

    /// <summary>In the order in which they were added.</summary>
    public IReadOnlyList<Parameter> All => _parameters;

    /// <summary>Reads matrices with equally many columns into one parameter; weight decay applies to it.</summary>
    /// <exception cref="ModelFileException">One is missing or has another shape.</exception>
    public Parameter AddMatrix(int columns, params (string Name, int Rows)[] members)
    {
        var parameter = Add(members, members.Sum(member => member.Rows), columns, decays: true);
        foreach (var (name, rows) in members)
        {
            var values = new float[checked(rows * columns)];
            weights.Read(name, rows, columns, 0, values);
            parameter.Value.Slice(_byName[name].First, rows).CopyFrom(values);
        }

        return parameter;
    }

    /// <summary>Reads vectors into one parameter; weight decay does not apply to it.</summary>
    /// <exception cref="ModelFileException">One is missing or has another shape.</exception>
    public Parameter AddVector(params (string Name, int Features)[] members)
    {
        var parameter = Add(members, 1, members.Sum(member => member.Features), decays: false);
        foreach (var (name, features) in members)
        {
            var values = new float[features];
            weights.Read(name, 1, features, 0, values);
            parameter.Value.SliceColumns(_byName[name].First, features).CopyFrom(values);
        }

        return parameter;
    }

    /// <summary>Makes room for the gradients of all.</summary>
    /// <param name="except">Those that stay frozen.</param>
    public void TrainAll(params IReadOnlyList<Parameter> except)
    {
        foreach (var parameter in _parameters.Except(except))
            parameter.Train(backend);
    }

    /// <summary>Whether there is a tensor of a name.</summary>
    public bool Has(string name) => _byName.ContainsKey(name);

    /// <summary>Where a matrix lies.</summary>
    public (Parameter Parameter, int FirstRow, int Rows) Find(string name) => _byName[name];

    /// <summary>Copies some rows of a tensor.</summary>
    /// <param name="rows">Of the whole tensor; 1 for a vector.</param>
    /// <param name="values">Receives as many whole rows as fit, row-major.</param>
    /// <exception cref="ModelFileException">There is none of this name.</exception>
    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        if (!_byName.TryGetValue(name, out var place))
            throw new ModelFileException($"The model has no parameter '{name}'.");
        var isVector = rows == 1 && place.Parameter.Value.Rows == 1;
        if (isVector)
            place.Parameter.Value.SliceColumns(place.First, columns).CopyTo(values);
        else
            place.Parameter.Value.Slice(place.First + firstRow, values.Length / columns).CopyTo(values);
    }

    /// <summary>Names and shapes of all tensors, as checkpoints have them; vectors have one row.</summary>
    public IEnumerable<(string Name, int Rows, int Columns)> Tensors() =>
        _byName.Select(entry => entry.Value.Parameter.Value.Rows == 1
            ? (entry.Key, 1, entry.Value.Size)
            : (entry.Key, entry.Value.Size, entry.Value.Parameter.Value.Columns));

    public void Dispose()
    {
        foreach (var parameter in _parameters)
            parameter.Dispose();
    }

    private Parameter Add((string Name, int Size)[] members, int rows, int columns, bool decays)
    {
        var parameter = new Parameter(
            string.Join(" + ", members.Select(member => member.Name)), backend.Allocate(rows, columns), decays);
        _parameters.Add(parameter);
        var first = 0;
        foreach (var (name, size) in members)
        {
            _byName.Add(name, (parameter, first, size));
            first += size;
        }

        return parameter;
    }
}
