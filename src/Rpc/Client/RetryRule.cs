using System.Globalization;
using System.Security.Cryptography;
using Grpc.Core;
using Grpc.Net.Client.Configuration;
using Grpc.Wire;
using Polly;
using Polly.Retry;

namespace Grpc.Net.Client.Internal;

/// <summary>Tries failed calls again, as a retry policy and the channel's budget say.</summary>
/// <remarks>gRFC A6, "Client Retries": exponential backoff, retry throttling, server pushback.</remarks>
internal sealed class RetryRule
{
    private readonly HashSet<StatusCode> _retryable;
    private readonly RetryBudget? _budget;
    private readonly TimeProvider _timeProvider;
    private readonly int _maxAttempts;
    private readonly TimeSpan _initialBackoff;
    private readonly TimeSpan _maxBackoff;
    private readonly double _multiplier;

    /// <exception cref="ArgumentException">The policy lacks a value or has one out of range.</exception>
    public RetryRule(RetryPolicy policy, RetryBudget? budget, int maxAttempts, TimeProvider timeProvider)
    {
        _maxAttempts = Math.Min(Require(policy.MaxAttempts, value => value >= 2, "MaxAttempts", "at least 2"), maxAttempts);
        _initialBackoff = Require(
            policy.InitialBackoff, value => value > TimeSpan.Zero, "InitialBackoff", "above zero");
        _maxBackoff = Require(policy.MaxBackoff, value => value > TimeSpan.Zero, "MaxBackoff", "above zero");
        _multiplier = Require(policy.BackoffMultiplier, value => value > 0, "BackoffMultiplier", "above zero");
        if (policy.RetryableStatusCodes.Count == 0)
        {
            throw new ArgumentException("RetryPolicy.RetryableStatusCodes is empty; name a status, UNAVAILABLE for example.");
        }

        _retryable = [.. policy.RetryableStatusCodes];
        _budget = budget;
        _timeProvider = timeProvider;
    }

    /// <param name="first">The first attempt, which has ended or begun to answer.</param>
    /// <param name="retryAsync">Makes another attempt; the argument counts those before it.</param>
    /// <param name="cancellationToken">Ends the pauses.</param>
    /// <returns>The attempt that counts.</returns>
    public async Task<GrpcCall<TRequest, TResponse>> RunAsync<TRequest, TResponse>(
        GrpcCall<TRequest, TResponse> first,
        Func<int, Task<GrpcCall<TRequest, TResponse>>> retryAsync,
        CancellationToken cancellationToken)
        where TRequest : class
        where TResponse : class
    {
        var last = first;
        var attempt = 0;
        var options = new RetryStrategyOptions<GrpcCall<TRequest, TResponse>>
        {
            MaxRetryAttempts = Math.Max(_maxAttempts - 1, 1),
            ShouldHandle = arguments => ValueTask.FromResult(
                arguments.Outcome.Result is { } call && _maxAttempts > 1 && MayRetry(call.Outcome)),
            DelayGenerator = arguments => ValueTask.FromResult<TimeSpan?>(
                Pushback(arguments.Outcome.Result!.Outcome!) ?? Backoff(arguments.AttemptNumber))
        };
        var pipeline = new ResiliencePipelineBuilder<GrpcCall<TRequest, TResponse>> { TimeProvider = _timeProvider }
            .AddRetry(options)
            .Build();
        try
        {
            return await pipeline.ExecuteAsync(
                async _ => last = attempt++ == 0 ? first : await retryAsync(attempt - 1), cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Cancelled in a pause: the last failure is the call's.
            return last;
        }
    }

    private static T Require<T>(T? value, Func<T, bool> isValid, string name, string range)
        where T : struct => value is { } given && isValid(given)
        ? given
        : throw new ArgumentException($"RetryPolicy.{name} is {value?.ToString() ?? "not set"}; it must be {range}.");

    /// <summary>A negative pushback asks not to retry.</summary>
    private static TimeSpan? Pushback(CallOutcome outcome) =>
        outcome.Trailers.GetValue(GrpcProtocol.RetryPushbackHeader) is not { } text
            ? null
            : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds)
                && milliseconds is >= 0 and <= int.MaxValue
                ? TimeSpan.FromMilliseconds(milliseconds)
                : Timeout.InfiniteTimeSpan;

    private bool MayRetry(CallOutcome? outcome)
    {
        if (outcome is null || outcome.Status.StatusCode == StatusCode.OK)
        {
            _budget?.OnSuccess();
            return false;
        }

        if (outcome.IsLocal || !_retryable.Contains(outcome.Status.StatusCode))
        {
            return false;
        }

        var isWithinBudget = _budget?.OnFailure() ?? true;
        return isWithinBudget && Pushback(outcome) != Timeout.InfiniteTimeSpan;
    }

    private TimeSpan Backoff(int retries)
    {
        var backoff = Math.Min(_initialBackoff.TotalMilliseconds * Math.Pow(_multiplier, retries), _maxBackoff.TotalMilliseconds);
        var jitter = 0.8 + RandomNumberGenerator.GetInt32(4001) / 10_000.0; // 0.8 to 1.2
        return TimeSpan.FromMilliseconds(backoff * jitter);
    }
}

/// <summary>The tokens that failures take and successes give; half of them are kept back.</summary>
internal sealed class RetryBudget
{
    private readonly Lock _gate = new();
    private readonly double _maxTokens;
    private readonly double _tokenRatio;
    private double _tokens;

    /// <exception cref="ArgumentException">The policy lacks a value or has one out of range.</exception>
    public RetryBudget(RetryThrottlingPolicy policy)
    {
        _maxTokens = policy.MaxTokens is >= 1 and <= 1000
            ? policy.MaxTokens.Value
            : throw new ArgumentException($"RetryThrottling.MaxTokens is {policy.MaxTokens}; it must be 1 to 1000.");
        _tokenRatio = policy.TokenRatio is > 0
            ? policy.TokenRatio.Value
            : throw new ArgumentException($"RetryThrottling.TokenRatio is {policy.TokenRatio}; it must be above 0.");
        _tokens = _maxTokens;
    }

    public void OnSuccess()
    {
        lock (_gate)
        {
            _tokens = Math.Min(_tokens + _tokenRatio, _maxTokens);
        }
    }

    /// <summary>Whether the failed call may be tried again.</summary>
    public bool OnFailure()
    {
        lock (_gate)
        {
            _tokens = Math.Max(_tokens - 1, 0);
            return _tokens > _maxTokens / 2;
        }
    }
}
