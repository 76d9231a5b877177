namespace Grpc.Core;

/// <summary>What a caller says about one call.</summary>
public readonly struct CallOptions
{
    private readonly Flags _flags;

    /// <param name="headers">Request metadata.</param>
    /// <param name="deadline">UTC, after which the call fails with DEADLINE_EXCEEDED; null waits for ever.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <param name="writeOptions">How request messages are written.</param>
    /// <param name="propagationToken">From the call that this one is made for.</param>
    /// <param name="credentials">Sent with this call beside the channel's own.</param>
    public CallOptions(
        Metadata? headers = null,
        DateTime? deadline = null,
        CancellationToken cancellationToken = default,
        WriteOptions? writeOptions = null,
        ContextPropagationToken? propagationToken = null,
        CallCredentials? credentials = null)
        : this(headers, deadline, cancellationToken, writeOptions, propagationToken, credentials, Flags.None)
    {
    }

    private CallOptions(
        Metadata? headers,
        DateTime? deadline,
        CancellationToken cancellationToken,
        WriteOptions? writeOptions,
        ContextPropagationToken? propagationToken,
        CallCredentials? credentials,
        Flags flags)
    {
        Headers = headers;
        Deadline = deadline;
        CancellationToken = cancellationToken;
        WriteOptions = writeOptions;
        PropagationToken = propagationToken;
        Credentials = credentials;
        _flags = flags;
    }

    [Flags]
    private enum Flags
    {
        None = 0,
        WaitForReady = 1
    }

    public Metadata? Headers { get; }

    public DateTime? Deadline { get; }

    public CancellationToken CancellationToken { get; }

    public WriteOptions? WriteOptions { get; }

    public ContextPropagationToken? PropagationToken { get; }

    public CallCredentials? Credentials { get; }

    /// <summary>Whether the call waits for a connection, up to its deadline, rather than fail with UNAVAILABLE.</summary>
    public bool IsWaitForReady => (_flags & Flags.WaitForReady) != Flags.None;

    public CallOptions WithHeaders(Metadata headers) =>
        new(headers, Deadline, CancellationToken, WriteOptions, PropagationToken, Credentials, _flags);

    public CallOptions WithDeadline(DateTime deadline) =>
        new(Headers, deadline, CancellationToken, WriteOptions, PropagationToken, Credentials, _flags);

    public CallOptions WithCancellationToken(CancellationToken cancellationToken) =>
        new(Headers, Deadline, cancellationToken, WriteOptions, PropagationToken, Credentials, _flags);

    public CallOptions WithWriteOptions(WriteOptions writeOptions) =>
        new(Headers, Deadline, CancellationToken, writeOptions, PropagationToken, Credentials, _flags);

    public CallOptions WithPropagationToken(ContextPropagationToken propagationToken) =>
        new(Headers, Deadline, CancellationToken, WriteOptions, propagationToken, Credentials, _flags);

    public CallOptions WithCredentials(CallCredentials credentials) =>
        new(Headers, Deadline, CancellationToken, WriteOptions, PropagationToken, credentials, _flags);

    public CallOptions WithWaitForReady(bool waitForReady = true) =>
        new(Headers, Deadline, CancellationToken, WriteOptions, PropagationToken, Credentials,
            waitForReady ? _flags | Flags.WaitForReady : _flags & ~Flags.WaitForReady);
}
