namespace Serving.Models.Gpt2;

/// <summary>The largest batch that a workspace has room for.</summary>
/// <param name="Tokens">Of all sequences.</param>
/// <param name="LogitRows">Of all sequences; as many as sequences unless texts are scored.</param>
/// <param name="Blocks">Of all sequences, shared ones counted each time.</param>
public sealed record Gpt2Limits(int Tokens, int Sequences, int LogitRows, int Blocks);
