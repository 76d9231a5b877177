using Serving.Models.Onnx.Messages;

namespace Serving.Models.Onnx;

/// <summary>An operation of a graph.</summary>
/// <param name="index">Its place; what it reads comes from before.</param>
/// <param name="constant">The value of a Constant.</param>
internal sealed class OnnxNode(NodeProto node, int index, OnnxTensor? constant)
{
    public string Op => node.OpType;

    public int Index => index;

    public OnnxTensor? Constant => constant;

    /// <summary>Empty for that of ONNX itself.</summary>
    public string Domain => node.Domain is "ai.onnx" ? "" : node.Domain;

    public IReadOnlyList<string> Inputs => node.Input;

    public IReadOnlyList<string> Outputs => node.Output;

    /// <returns>Empty if it has not so many.</returns>
    public string Input(int i) => i < node.Input.Count ? node.Input[i] : "";

    public bool Has(string attribute) => Find(attribute) is not null;

    public long Integer(string attribute, long fallback) => Find(attribute)?.I ?? fallback;

    public float Number(string attribute, float fallback) => Find(attribute)?.F ?? fallback;

    public string Text(string attribute, string fallback) => Find(attribute)?.S.ToStringUtf8() ?? fallback;

    /// <returns>null if it is not there.</returns>
    public long[]? Integers(string attribute) => Find(attribute)?.Ints.ToArray();

    public override string ToString() => node.Name.Length > 0
        ? $"{Op} '{node.Name}'"
        : $"{Op} that gives '{(node.Output.Count > 0 ? node.Output[0] : "")}'";

    private AttributeProto? Find(string name) => node.Attribute.FirstOrDefault(attribute => attribute.Name == name);
}
