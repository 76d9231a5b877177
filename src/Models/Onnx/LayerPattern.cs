namespace Serving.Models.Onnx;

/// <summary>A layer of BERT's encoder (Vaswani et al. 2017, sec. 3.1, normalized behind each part).</summary>
internal sealed record LayerPattern(
    AttentionPattern Attention, LinearPattern AttentionOutput, NormPattern AttentionNorm, LinearPattern Intermediate,
    LinearPattern Output, NormPattern OutputNorm)
{
    /// <param name="norm">The normalization that the layer ends with.</param>
    /// <exception cref="ModelFileException">Something else is behind it.</exception>
    public static LayerPattern Match(GraphPattern graph, NormPattern norm)
    {
        var (output, middle) = Residual(graph, norm.Input, "the feed-forward layer");
        var intermediate = LinearPattern.Match(graph, GeluPattern.Match(graph, output.Input), "the feed-forward layer");
        if (!graph.AreSame(intermediate.Input, middle))
            throw graph.Refusal(norm.Input, "a layer", "the feed-forward layer beside its own input");
        var attentionNorm = NormPattern.Match(graph, middle);
        var (attentionOutput, input) = Residual(graph, attentionNorm.Input, "attention");
        var attention = AttentionPattern.Match(graph, attentionOutput.Input);
        return graph.AreSame(attention.Input, input)
            ? new(attention, attentionOutput, attentionNorm, intermediate, output, norm)
            : throw graph.Refusal(attentionNorm.Input, "a layer", "attention beside its own input");
    }

    /// <summary>The sum of a linear layer and of what the part began with.</summary>
    private static (LinearPattern Linear, string Other) Residual(GraphPattern graph, string value, string part)
    {
        var add = graph.Need(value, part, "Add");
        return GraphPattern.Either(add, operand => LinearPattern.TryMatch(graph, operand) is not null)
            is var (linear, other)
                ? (LinearPattern.Match(graph, linear, part), other)
                : throw graph.Refusal(value, part, "the sum of a linear layer and of its input");
    }
}
