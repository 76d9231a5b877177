namespace Grpc.Core;

/// <summary>What a call hands to the calls that are made for it.</summary>
public class ContextPropagationOptions(bool propagateDeadline = true, bool propagateCancellation = true)
{
    public static readonly ContextPropagationOptions Default = new();

    public bool IsPropagateDeadline { get; } = propagateDeadline;

    public bool IsPropagateCancellation { get; } = propagateCancellation;
}

/// <summary>Made by <see cref="ServerCallContext.CreatePropagationToken"/>, taken by <see cref="CallOptions"/>.</summary>
public abstract class ContextPropagationToken
{
    private protected ContextPropagationToken()
    {
    }
}

/// <summary>The deadline and the token of a call.</summary>
internal sealed class CallPropagationToken(DateTime? deadline, CancellationToken cancellationToken)
    : ContextPropagationToken
{
    public DateTime? Deadline { get; } = deadline;

    public CancellationToken CancellationToken { get; } = cancellationToken;
}
