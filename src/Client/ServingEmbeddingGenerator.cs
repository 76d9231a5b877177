using Grpc.Core;
using Microsoft.Extensions.AI;
using Serving.V1;

namespace Serving.Client;

/// <summary>Texts' vectors, for libraries that take any generator of embeddings.</summary>
/// <remarks>
/// Thread-safe. Failed calls throw <see cref="RpcException"/>, cancelled ones
/// <see cref="OperationCanceledException"/>.
/// </remarks>
public sealed class ServingEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly ServingClient _client;
    private readonly ServingEmbeddingOptions _options;
    private readonly EmbeddingGeneratorMetadata _metadata;
    private int _maxInputs; // Of the server; 0 until it is asked.

    /// <param name="client">Stays the caller's.</param>
    /// <param name="options">Null for the model that is loaded, without a task.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public ServingEmbeddingGenerator(ServingClient client, ServingEmbeddingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        options ??= new();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxInputs, 1);
        _client = client;
        _options = options;
        _metadata = new("serving", client.Address, options.Model.Length > 0 ? options.Model : null);
    }

    /// <param name="values">Texts; any number, which go to the server in several calls.</param>
    /// <param name="options">
    /// ModelId comes before that of the generator. Dimensions are what the model has, or an error.
    /// </param>
    /// <exception cref="ArgumentException">The model has other dimensions than asked for.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values,
        EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        string[] texts = [.. values];
        var generated = new GeneratedEmbeddings<Embedding<float>>(texts.Length) { Usage = new() };
        var tokens = 0L;
        try
        {
            var size = texts.Length > 1 ? await MaxInputsAsync(cancellationToken).ConfigureAwait(false) : 1;
            foreach (var inputs in texts.Chunk(size))
            {
                var response = await _client.Embedder.EmbedAsync(
                    Request(inputs, options?.ModelId), cancellationToken: cancellationToken).ConfigureAwait(false);
                ThrowUnlessDimensions(options?.Dimensions, response);
                foreach (var embedding in response.Embeddings)
                {
                    generated.Add(new(embedding.Values.ToArray()) { ModelId = response.Model });
                    tokens += embedding.Usage.Tokens;
                }
            }
        }
        catch (RpcException exception) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(exception.Message, exception, cancellationToken);
        }

        generated.Usage.InputTokenCount = generated.Usage.TotalTokenCount = tokens;
        return generated;
    }

    /// <returns>This, its <see cref="EmbeddingGeneratorMetadata"/> or its <see cref="ServingClient"/>.</returns>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        object[] known = [this, _metadata, _client];
        return Array.Find(known, serviceType.IsInstanceOfType);
    }

    /// <summary>Does nothing: the client is somebody else's.</summary>
    public void Dispose()
    {
    }

    private async ValueTask<int> MaxInputsAsync(CancellationToken cancellationToken)
    {
        if (_maxInputs == 0)
        {
            var limits = await _client.Models.GetLimitsAsync(new(), cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            _maxInputs = limits.MaxInputs;
        }

        return Math.Min(_maxInputs, _options.MaxInputs);
    }

    private EmbedRequest Request(string[] texts, string? model)
    {
        var request = new EmbedRequest
        {
            Inputs = { texts.Select(text => new TextInput { Text = text }) },
            Model = model ?? _options.Model,
            Pooling = _options.Pooling,
            Normalize = _options.Normalize,
            Truncation = _options.Truncation
        };
        if (_options.Task is { } task)
            request.Task = task;
        return request;
    }

    private static void ThrowUnlessDimensions(int? wanted, EmbedResponse response)
    {
        if (wanted is { } dimensions && dimensions != response.Dimensions)
        {
            throw new ArgumentException(
                $"Dimensions is {dimensions}; the vectors of '{response.Model}' have {response.Dimensions}. Leave it "
                + "out, or take another model.");
        }
    }
}
