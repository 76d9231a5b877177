namespace Serving.Inference.Generation;

/// <summary>A prompt as the model reads it.</summary>
/// <param name="Ids">At least one.</param>
/// <param name="Dropped">How many were dropped from its beginning.</param>
internal readonly record struct PromptTokens(int[] Ids, int Dropped);
