using Grpc.Core;

namespace Grpc.Net.Client.Configuration;

/// <summary>How the calls of a channel behave.</summary>
/// <remarks>The gRPC core specification, "Service Config in gRPC", and gRFC A6, "Client Retries".</remarks>
public sealed class ServiceConfig
{
    /// <summary>The first one that fits a method is taken: by service and method, by service, then the default.</summary>
    public IList<MethodConfig> MethodConfigs { get; } = [];

    /// <summary>The first one is taken; none picks the first address that answers.</summary>
    public IList<LoadBalancingConfig> LoadBalancingConfigs { get; } = [];

    /// <summary>The retry budget of the channel; null for none.</summary>
    public RetryThrottlingPolicy? RetryThrottling { get; set; }
}

/// <summary>How the calls of some methods behave.</summary>
public sealed class MethodConfig
{
    public IList<MethodName> Names { get; } = [];

    public RetryPolicy? RetryPolicy { get; set; }
}

/// <summary>Names a method, all methods of a service (no method), or all methods (neither).</summary>
public sealed class MethodName
{
    public static readonly MethodName Default = new();

    /// <summary>"package.Service".</summary>
    public string? Service { get; set; }

    public string? Method { get; set; }
}

/// <summary>
/// Which failures are tried again, and after how long. Calls with one request are retried until their response begins;
/// calls with a stream of requests only while nothing was sent.
/// </summary>
public sealed class RetryPolicy
{
    /// <summary>Attempts in all, at least 2.</summary>
    public int? MaxAttempts { get; set; }

    /// <summary>The pause before the first retry; each pause varies by a fifth up or down.</summary>
    public TimeSpan? InitialBackoff { get; set; }

    public TimeSpan? MaxBackoff { get; set; }

    /// <summary>How much longer each pause is than the one before.</summary>
    public double? BackoffMultiplier { get; set; }

    /// <summary>The statuses that are tried again; UNAVAILABLE, for example.</summary>
    public IList<StatusCode> RetryableStatusCodes { get; } = [];
}

/// <summary>
/// A budget for the whole channel: each failure takes one token, each success gives some back, and nothing is retried
/// while half of the tokens or fewer are left.
/// </summary>
public sealed class RetryThrottlingPolicy
{
    /// <summary>1 to 1000.</summary>
    public int? MaxTokens { get; set; }

    /// <summary>Tokens for each success, above 0.</summary>
    public double? TokenRatio { get; set; }
}

/// <summary>How a call gets its address.</summary>
public abstract class LoadBalancingConfig
{
    private protected LoadBalancingConfig(string policyName) => PolicyName = policyName;

    public string PolicyName { get; }
}

/// <summary>The first address that can be connected to.</summary>
public sealed class PickFirstConfig() : LoadBalancingConfig("pick_first");

/// <summary>Each call goes to the next address.</summary>
public sealed class RoundRobinConfig() : LoadBalancingConfig("round_robin");
