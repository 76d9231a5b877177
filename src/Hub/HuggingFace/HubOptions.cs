namespace Serving.Hub.HuggingFace;

/// <summary>How the hub is reached, by the settings that Hugging Face's own tools have.</summary>
public sealed record HubOptions
{
    public static readonly Uri DefaultEndpoint = new("https://huggingface.co");

    /// <summary>HF_ENDPOINT: the hub, or a mirror of it; may have a path.</summary>
    public Uri Endpoint { get; init; } = DefaultEndpoint;

    /// <summary>HF_TOKEN: goes to the endpoint and nowhere else; null for none.</summary>
    public string? Token { get; init; }

    /// <summary>HF_HUB_OFFLINE: whether the hub is never asked.</summary>
    public bool IsOffline { get; init; }

    /// <summary>How long the hub may say nothing before a connection counts as broken.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Reads the settings.</summary>
    /// <param name="setting">The value under a name; null or empty for none.</param>
    /// <exception cref="FormatException">One is wrong; the message names it, and never has the token.</exception>
    public static HubOptions Read(Func<string, string?> setting)
    {
        var (endpoint, token) = (setting("HF_ENDPOINT"), setting("HF_TOKEN")?.Trim());
        return new()
        {
            Endpoint = endpoint is { Length: > 0 } ? EndpointOf(endpoint) : DefaultEndpoint,
            Token = token is { Length: > 0 } ? TokenOf(token) : null,
            IsOffline = setting("HF_HUB_OFFLINE")?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE"
        };
    }

    private static Uri EndpointOf(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
        && uri.Query.Length == 0 && uri.UserInfo.Length == 0
            ? uri
            : throw new FormatException(
                $"HF_ENDPOINT is '{text}'; it must be the address of a hub such as {DefaultEndpoint.OriginalString}.");

    private static string TokenOf(string text) => text.All(c => c is > ' ' and < '\x7f')
        ? text
        : throw new FormatException("HF_TOKEN has blanks or other characters that no token has; copy it again.");
}
