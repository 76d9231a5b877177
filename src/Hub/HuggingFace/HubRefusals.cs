using System.Net;
using Serving.Storage;

namespace Serving.Hub.HuggingFace;

/// <summary>What the hub refuses, with what to do about it.</summary>
/// <remarks>Without a token it does not tell repositories that are private from such that are not there.</remarks>
internal static class HubRefusals
{
    public static DomainException Of(HubStatusException refusal, HubClient client, string source, string revision)
    {
        var hasToken = client.Options.Token is not null;
        if (refusal.Reason == "RevisionNotFound")
        {
            return DomainException.NotFound(
                "revision", revision, known: null, "See the branches and tags on the repository's page",
                owner: $"repository '{source}' at {client.Host}");
        }

        if (refusal.Reason == "GatedRepo" || refusal.Status == HttpStatusCode.Forbidden)
        {
            return DomainException.FailedPrecondition(
                source,
                $"{client.Host} gives '{source}' to accounts only that were granted access",
                remedy: hasToken
                    ? "ask for it on the repository's page with the account of the server's HF_TOKEN"
                    : "ask for it on the repository's page, and start the server with the account's token in HF_TOKEN");
        }

        if (refusal.Status is HttpStatusCode.NotFound or HttpStatusCode.Unauthorized)
        {
            return DomainException.NotFound(
                "model", source, known: null,
                hasToken
                    ? "See that it is spelled as on the hub, and that the account of the server's HF_TOKEN may read it"
                    : "See that it is spelled as on the hub; a private one needs a token, in the server's HF_TOKEN",
                owner: $"hub {client.Host}");
        }

        return DomainException.FailedPrecondition(
            source, $"'{source}' can't be downloaded: {refusal.Message}", remedy: "see its page on the hub");
    }
}
