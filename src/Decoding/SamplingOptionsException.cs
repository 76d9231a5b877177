namespace Serving.Decoding;

/// <summary>Some options of sampling are out of range; nothing was begun.</summary>
public sealed class SamplingOptionsException(IReadOnlyList<SamplingViolation> violations)
    : ArgumentException(string.Join(' ', violations.Select(violation => $"{violation.Option}: {violation.Reason}")))
{
    /// <summary>All that are wrong, at least one.</summary>
    public IReadOnlyList<SamplingViolation> Violations { get; } = violations;
}

/// <summary>An option that is out of range.</summary>
/// <param name="Option">The name of its property, with an index where it has several values.</param>
/// <param name="Reason">What was found and what is needed: a sentence that does not name the option.</param>
public sealed record SamplingViolation(string Option, string Reason);

/// <summary>No token can be chosen: a logit is NaN or +infinity, or all are -infinity.</summary>
public sealed class LogitsException(string message) : Exception(message);
