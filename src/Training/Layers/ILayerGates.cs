using Serving.Tensors;
using Serving.Training.Autograd;

namespace Serving.Training.Layers;

/// <summary>Gates at the parts of a layer.</summary>
public interface ILayerGates
{
    /// <summary>What the heads give, side by side, through their gates.</summary>
    /// <param name="context">[rows, heads headDim]</param>
    /// <param name="spans">Where the rows of each sequence begin and, next to it, end.</param>
    Variable Heads(Tape tape, Variable context, IndexBuffer spans);

    /// <summary>What the feed-forward layer gives, before the residual is added, through its gate.</summary>
    /// <param name="output">[rows, hidden]</param>
    Variable FeedForward(Tape tape, Variable output, IndexBuffer spans);
}

/// <summary>Gates, and the rows that they are at.</summary>
/// <param name="Spans">Where the rows of each sequence begin and, next to it, end.</param>
public readonly record struct RowGates(ILayerGates Gates, IndexBuffer Spans);
