using System.Net;
using Serving.Hub.Sources;

namespace Serving.Hub.HuggingFace;

/// <summary>The hub refuses. The message is a clause.</summary>
internal sealed class HubStatusException(string message) : Exception(message)
{
    public HttpStatusCode Status { get; private init; }

    /// <summary>What the hub says of it: "RepoNotFound", "GatedRepo"; empty for nothing.</summary>
    public string Reason { get; private init; } = "";

    /// <returns>A <see cref="TransientException"/> if trying again may help.</returns>
    public static Exception Of(HttpResponseMessage response, TimeProvider time)
    {
        var code = (int)response.StatusCode;
        var host = response.RequestMessage?.RequestUri?.Authority;
        if (code is 408 or 429 or >= 500)
        {
            return new TransientException($"the hub {host} answers {code} {response.ReasonPhrase}".TrimEnd())
            {
                RetryAfter = response.Headers.RetryAfter switch
                {
                    { Delta: { } delta } => delta,
                    { Date: { } date } when date > time.GetUtcNow() => date - time.GetUtcNow(),
                    _ => null
                }
            };
        }

        return new HubStatusException($"{host} answers {code} {response.ReasonPhrase}".TrimEnd())
        {
            Status = response.StatusCode,
            Reason = response.Headers.TryGetValues("X-Error-Code", out var values) ? values.First() : ""
        };
    }
}
