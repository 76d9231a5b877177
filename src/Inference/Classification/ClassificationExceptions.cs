namespace Serving.Inference.Classification;

/// <summary>A request names a task, or a version of one, that is not loaded.</summary>
public sealed class NotResidentException(string message) : Exception(message);

/// <summary>A request does not have the texts that its task reads.</summary>
public sealed class WrongInputsException(string message) : Exception(message);

/// <summary>A task's scores are no finite numbers.</summary>
public sealed class NonFiniteScoresException(string message) : Exception(message);
