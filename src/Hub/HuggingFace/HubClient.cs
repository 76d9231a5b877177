using System.Net;
using System.Net.Http.Headers;
using Serving.Hub.Sources;

namespace Serving.Hub.HuggingFace;

/// <summary>Sends requests to the hub and, without the token, to where it redirects.</summary>
internal sealed class HubClient(HubOptions options, HttpMessageInvoker http, TimeProvider time)
{
    private const int MostRedirects = 10;

    private readonly string _endpoint = options.Endpoint.AbsoluteUri.TrimEnd('/');

    public HubOptions Options => options;

    public Retries Retries { get; } =
        new(time, "try again when the server has a network, or set HF_ENDPOINT to a mirror");

    /// <summary>The hub's host, for messages.</summary>
    public string Host => options.Endpoint.Authority;

    /// <summary>An address of the hub.</summary>
    /// <param name="path">Escaped, with '/' first.</param>
    public Uri At(string path) => new(_endpoint + path);

    /// <summary>A handler that leaves redirects and encodings alone.</summary>
    public static HttpMessageHandler CreateHandler() => new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(20),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5)
    };

    /// <summary>Asks for a resource, whose body is not read yet.</summary>
    /// <param name="first">The first byte that is wanted; 0 for all.</param>
    /// <exception cref="TransientException">Trying again may help.</exception>
    /// <exception cref="HubStatusException">It won't.</exception>
    public async Task<HttpResponseMessage> GetAsync(Uri uri, long first, CancellationToken cancellationToken)
    {
        for (var hop = 0; hop <= MostRedirects; hop++)
        {
            var response = await SendAsync(uri, first, cancellationToken);
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
            {
                uri = Target(uri, response) ?? throw HubStatusException.Of(response, time);
            }
        }

        throw new HubStatusException($"{Host} redirects more than {MostRedirects} times");
    }

    /// <summary>Reads a whole body.</summary>
    /// <exception cref="InvalidDataException">It is longer than that.</exception>
    /// <exception cref="TransientException">The connection broke.</exception>
    public async Task<byte[]> ReadAsync(
        HttpResponseMessage response, int mostBytes, CancellationToken cancellationToken)
    {
        using var whole = new MemoryStream();
        var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[16 * 1024];
        for (int read; (read = await ReadAsync(body, buffer, cancellationToken)) > 0;)
        {
            if (whole.Length + read > mostBytes)
                throw new InvalidDataException($"its list of files has more than {mostBytes >> 20} MiB");
            whole.Write(buffer, 0, read);
        }

        return whole.ToArray();
    }

    /// <summary>Reads the next bytes of a body; 0 at its end.</summary>
    /// <exception cref="TransientException">The connection broke, or nothing came for too long.</exception>
    public Task<int> ReadAsync(Stream body, Memory<byte> buffer, CancellationToken cancellationToken) =>
        PatientlyAsync(token => body.ReadAsync(buffer, token).AsTask(), cancellationToken);

    private Task<HttpResponseMessage> SendAsync(Uri uri, long first, CancellationToken cancellationToken) =>
        PatientlyAsync(
            async token =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, uri);
                request.Headers.UserAgent.Add(new("serving", "0.1.0"));
                if (first > 0)
                    request.Headers.Range = new(first, to: null);
                if (options.Token is not null && IsHub(uri))
                    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", options.Token);
                return await http.SendAsync(request, token);
            },
            cancellationToken);

    private async Task<T> PatientlyAsync<T>(Func<CancellationToken, Task<T>> act, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(options.Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            return await act(either.Token);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested
            && !cancellationToken.IsCancellationRequested)
        {
            throw new TransientException($"the hub {Host} says nothing for {options.Patience.TotalSeconds:0} s");
        }
        catch (HttpRequestException exception)
        {
            throw new TransientException($"the hub {Host} can't be reached ({Innermost(exception)})")
            {
                IsHopeless = exception.HttpRequestError is HttpRequestError.NameResolutionError
                    or HttpRequestError.SecureConnectionError
            };
        }
        catch (IOException exception)
        {
            throw new TransientException($"the connection to the hub {Host} broke off ({Innermost(exception)})");
        }
    }

    /// <returns>Null if it is no redirect.</returns>
    private Uri? Target(Uri from, HttpResponseMessage response)
    {
        if (response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found
            or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect)
            || response.Headers.Location is not { } location)
            return null;
        var target = new Uri(from, location);
        var isAllowed = target.Scheme == Uri.UriSchemeHttps || (target.Scheme == Uri.UriSchemeHttp
            && from.Scheme == Uri.UriSchemeHttp);
        return isAllowed
            ? target
            : throw new HubStatusException($"{Host} redirects to {target.Scheme}://, which is not as safe");
    }

    private bool IsHub(Uri uri) => uri.Scheme == options.Endpoint.Scheme && uri.Authority == options.Endpoint.Authority;

    private static string Innermost(Exception exception)
    {
        while (exception.InnerException is { } inner)
            exception = inner;
        return exception.Message.TrimEnd('.');
    }
}
