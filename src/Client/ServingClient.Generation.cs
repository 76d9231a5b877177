using System.Runtime.CompilerServices;
using Grpc.Core;
using Serving.V1;

namespace Serving.Client;

/// <content>Text that a model writes.</content>
public sealed partial class ServingClient
{
    /// <summary>Continues a prompt. The first message says what is done, the last one how it ended.</summary>
    /// <remarks>Whoever leaves the loop early ends the call, and the server stops within a step.</remarks>
    public async IAsyncEnumerable<GenerateResponse> GenerateAsync(
        GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var call = Generator.Generate(request, cancellationToken: cancellationToken);
        await foreach (var response in call.ResponseStream.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            yield return response;
    }

    /// <summary>The text of one answer to a prompt, in parts as they come.</summary>
    /// <param name="sampling">What is left out is as the model has it; null for all.</param>
    /// <param name="model">Empty for the one that is loaded.</param>
    public async IAsyncEnumerable<string> GenerateTextAsync(
        string prompt, Sampling? sampling = null, string model = "",
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        if (sampling is { NumReturnSequences: > 1 })
        {
            throw new ArgumentException(
                $"{sampling.NumReturnSequences} answers were asked for; one is needed, or {nameof(GenerateAsync)}.",
                nameof(sampling));
        }

        var request = new GenerateRequest { Prompt = prompt, Sampling = sampling ?? new(), Model = model };
        await foreach (var response in GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (response.Text is { Text.Length: > 0 } part)
                yield return part.Text;
        }
    }
}
