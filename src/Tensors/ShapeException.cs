namespace Serving.Tensors;

/// <summary>Operands do not fit together; the message gives the operation, what came and what was needed.</summary>
public sealed class ShapeException(string message) : ArgumentException(message);
