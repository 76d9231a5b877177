namespace Serving.Models.Decoders;

/// <summary>The largest batch that a workspace has room for.</summary>
/// <param name="Tokens">Of all sequences.</param>
/// <param name="LogitRows">Of all sequences; as many as sequences unless texts are scored.</param>
/// <param name="Blocks">Of all sequences, shared ones counted each time.</param>
public sealed record DecoderLimits(int Tokens, int Sequences, int LogitRows, int Blocks);
