namespace Serving.Models.Onnx;

/// <summary>A graph: each value has one origin, and nodes stand behind what they read.</summary>
internal sealed class OnnxGraph
{
    private readonly OnnxFile _file;
    private readonly Dictionary<string, OnnxNode> _makers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, OnnxTensor> _constants = new(StringComparer.Ordinal);
    private readonly HashSet<string>? _inputs;

    /// <exception cref="ModelFileException">A value has no origin, or two.</exception>
    public OnnxGraph(
        OnnxFile file, IReadOnlyList<OnnxNode> nodes, IReadOnlyList<OnnxTensor> tensors, IReadOnlyList<string> inputs,
        IReadOnlyList<string> outputs)
    {
        _file = file;
        Nodes = nodes;
        Outputs = outputs;
        foreach (var tensor in tensors)
            AddOnce(_constants, tensor.Name, tensor);
        _inputs = new(inputs.Where(name => !_constants.ContainsKey(name)), StringComparer.Ordinal);
        foreach (var node in nodes)
            Add(node);
        foreach (var output in outputs.Where(output => !Knows(output)))
            throw Refusal($"its output '{output}' comes from nowhere; the graph is damaged. Export the model again");
    }

    public IReadOnlyList<OnnxNode> Nodes { get; }

    public IReadOnlyList<string> Outputs { get; }

    public ModelFileException Refusal(string reason) => _file.Refusal(reason);

    /// <summary>The node that a value comes from, whatever only passes it on left out.</summary>
    /// <returns>null for inputs and constants.</returns>
    public OnnxNode? Maker(string value) => _makers.GetValueOrDefault(Origin(value));

    public bool IsInput(string value) => _inputs!.Contains(value);

    /// <returns>null for what is computed.</returns>
    public OnnxTensor? Constant(string value) => _constants.GetValueOrDefault(Origin(value));

    public double? Scalar(string value) => Constant(value)?.TryReadScalar();

    /// <summary>
    /// The value that is passed on by Identity, by Dropout outside of training and by casts of floats.
    /// </summary>
    public string Origin(string value) => Origin(value, OnnxTypes.IsFloat);

    /// <summary>The same for integers.</summary>
    public string IndexOrigin(string value) => Origin(value, OnnxTypes.IsInteger);

    private string Origin(string value, Func<long, bool> mayCastTo)
    {
        while (_makers.TryGetValue(value, out var node) && node.Inputs.Count > 0)
        {
            var passesOn = node.Op switch
            {
                "Identity" => true,
                "Dropout" => value == node.Outputs[0] && node.Input(2).Length == 0,
                "Cast" => mayCastTo(node.Integer("to", 0)),
                _ => false
            };
            if (!passesOn)
                break;
            value = node.Inputs[0];
        }

        return value;
    }

    private void Add(OnnxNode node)
    {
        foreach (var input in node.Inputs.Where(input => input.Length > 0 && !Knows(input)))
        {
            throw Refusal(
                $"'{input}', which {node} reads, is missing: it is no weight, no input and no result of a node before. "
                + "Export the model again");
        }

        if (node.Op == "Constant" && node.Outputs.Count == 1)
        {
            if (node.Constant is { } tensor)
                AddOnce(_constants, node.Outputs[0], tensor);
            else
                AddOnce(_makers, node.Outputs[0], node);
            return;
        }

        foreach (var output in node.Outputs.Where(output => output.Length > 0))
            AddOnce(_makers, output, node);
    }

    private bool Knows(string value) =>
        _constants.ContainsKey(value) || _makers.ContainsKey(value) || IsInput(value);

    private void AddOnce<T>(Dictionary<string, T> values, string name, T value)
    {
        if (_constants.ContainsKey(name) || _makers.ContainsKey(name) || _inputs?.Contains(name) == true
            || !values.TryAdd(name, value))
            throw Refusal($"'{name}' is there twice; the graph is damaged. Export the model again");
    }
}
