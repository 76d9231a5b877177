namespace Serving.Training.Optimization;

/// <summary>A loss or a gradient is no finite number.</summary>
public sealed class DivergedException(string message) : Exception(message);
