namespace Serving.Client;

/// <summary>How a client connects and calls.</summary>
public sealed record ServingClientOptions
{
    /// <summary>
    /// http://HOST:PORT or https://HOST:PORT; several are taken in turn, those that fail are passed over.
    /// </summary>
    public required IReadOnlyList<Uri> Addresses { get; init; }

    /// <summary>The deadline of calls that set none; 30 s by default. Streams and uploads have none.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How often a call is tried while the server is UNAVAILABLE: 1 for no retries, up to 5; 4 by default.
    /// </summary>
    public int MaxAttempts { get; init; } = 4;

    /// <summary>
    /// The budget of retries: each failure takes one of so many tokens, ten successes give one back, and nothing is
    /// retried while half or fewer are left. 1 to 1000; 20 by default.
    /// </summary>
    public int RetryTokens { get; init; } = 20;

    /// <summary>See <see cref="ThrottleMultiplier"/>.</summary>
    public const double DefaultThrottleMultiplier = 1.4;

    /// <summary>
    /// While servers turn calls for a task away: how many are sent for each that they take. The others fail at once, as
    /// the server would fail them (RESOURCE_EXHAUSTED with RetryInfo) and with an ErrorInfo of the reason
    /// CLIENT_THROTTLED, so that refusing does not cost it what it needs for answering. At least 1; 1.4 by default;
    /// infinity sends all.
    /// </summary>
    public double ThrottleMultiplier { get; init; } = DefaultThrottleMultiplier;

    /// <summary>The largest response message, in bytes; 64 MiB by default.</summary>
    public int MaxReceiveMessageBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>
    /// Sends the requests; certificates are its property. Null makes one. The client does not dispose it.
    /// </summary>
    public HttpMessageHandler? HttpHandler { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void ThrowUnlessValid()
    {
        if (Addresses.Count == 0)
            throw new ArgumentException("There is no address; at least one is needed.");
        foreach (var address in Addresses)
        {
            if (!address.IsAbsoluteUri
                || address.Scheme is not ("http" or "https")
                || address.Scheme != Addresses[0].Scheme)
                throw new ArgumentException(
                    $"'{address}' is no address; http://HOST:PORT or https://HOST:PORT is needed, one scheme for all.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Timeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxAttempts, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxAttempts, 5);
        if (!(ThrottleMultiplier >= 1))
            throw new ArgumentOutOfRangeException(
                nameof(ThrottleMultiplier), ThrottleMultiplier, "At least 1 is needed.");
        ArgumentOutOfRangeException.ThrowIfLessThan(RetryTokens, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RetryTokens, 1000);
    }
}
