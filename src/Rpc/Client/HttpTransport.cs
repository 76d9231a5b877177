namespace Grpc.Net.Client.Internal;

/// <summary>Sends requests to an address of the channel, and to another one when no connection could be made.</summary>
internal sealed class HttpTransport : IDisposable
{
    private readonly HttpMessageInvoker _invoker;
    private readonly AddressPicker _picker;
    private readonly TimeProvider _timeProvider;
    private readonly TimeSpan _readyBackoff;

    /// <param name="invoker">Sends; owned by this.</param>
    /// <param name="picker">The addresses.</param>
    /// <param name="timeProvider">For pauses.</param>
    /// <param name="readyBackoff">The pause between attempts of a call that waits for a connection.</param>
    public HttpTransport(
        HttpMessageInvoker invoker, AddressPicker picker, TimeProvider timeProvider, TimeSpan readyBackoff)
    {
        _invoker = invoker;
        _picker = picker;
        _timeProvider = timeProvider;
        _readyBackoff = readyBackoff;
    }

    /// <summary>Sends a request and returns when the response's headers are there.</summary>
    /// <param name="createRequest">Makes the request for an address; called again for each address.</param>
    /// <param name="waitForReady">Whether to try on until the token is cancelled.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<HttpResponseMessage> SendAsync(
        Func<Uri, HttpRequestMessage> createRequest, bool waitForReady, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var address = _picker.Pick();
            var request = createRequest(address);
            try
            {
                var response = await _invoker.SendAsync(request, cancellationToken);
                _picker.Report(address, isUp: true);
                return response;
            }
            catch (HttpRequestException exception) when (CallErrors.IsNeverSent(exception))
            {
                _picker.Report(address, isUp: false);
                if (attempt >= _picker.Count && !waitForReady)
                {
                    throw;
                }
            }

            if (attempt >= _picker.Count)
            {
                await Task.Delay(_readyBackoff, _timeProvider, cancellationToken);
            }
        }
    }

    public void Dispose() => _invoker.Dispose();
}
