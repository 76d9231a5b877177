using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Decoding;
using Serving.Inference.Generation;
using Serving.Server.Configuration;
using Serving.Text;

namespace Serving.Server.Services;

/// <summary>serving.v1.Generator.</summary>
internal sealed class GeneratorService(TaskRouter router, ServerOptions options, TimeProvider time)
    : V1.Generator.GeneratorBase
{
    private const int LongestUser = 256;

    public override async Task Generate(
        V1.GenerateRequest request, IServerStreamWriter<V1.GenerateResponse> responseStream, ServerCallContext context)
    {
        var began = time.GetTimestamp();
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        try
        {
            var (host, asked, stream) = Begin(request, context, ends.Token);
            await responseStream.WriteAsync(new() { Started = GenerationMessages.Started(host, asked, stream) });
            var answers = new AnswerEnd[asked.Answers];
            await foreach (var part in stream.ReadAllAsync())
            {
                if (part.Text.Length > 0 || part.Tokens.Count > 0)
                    await responseStream.WriteAsync(new() { Text = GenerationMessages.Text(part, host.Engine) });
                if (part.End is { } end)
                    answers[part.Answer] = end;
            }

            await responseStream.WriteAsync(
                new() { Finished = GenerationMessages.Finished(stream, answers, time.GetElapsedTime(began)) });
        }
        catch (InvalidTextException exception)
        {
            throw Errors.InvalidArgument("prompt", exception.Message);
        }
        finally
        {
            await ends.CancelAsync(); // Where nobody reads the rest, nobody writes it.
        }
    }

    public override async Task<V1.ScoreResponse> Score(V1.ScoreRequest request, ServerCallContext context)
    {
        CallChecks.ThrowUnlessCount("inputs", request.Inputs.Count, options.MaxInputs);
        var caller = Caller(request.User, context);
        var settings = CallChecks.Settings(
            V1.Truncation.Unspecified, request.Priority, place: 0, context.Deadline, context.CancellationToken);
        while (true)
        {
            var table = router.Table;
            var host = CallChecks.FindGenerator(table, request.Model);
            try
            {
                var results = await CallInputs.RunAllAsync(
                    request.Inputs.Count,
                    (i, cancelled) => ScoreAsync(host, i, cancelled),
                    context.CancellationToken);
                return new()
                {
                    Texts = { results.Select(result => GenerationMessages.Scored(result, host.Engine)) },
                    Model = host.Name,
                    Digest = host.Digest
                };
            }
            catch (Exception exception) when (Admissions.IsStale(exception) && router.Table != table)
            {
                // The new table does not have it.
            }
            catch (Exception exception) when (Admissions.IsStale(exception))
            {
                throw EngineErrors.Of(exception);
            }
        }

        async Task<ScoreResult> ScoreAsync(GeneratorHost host, int i, CancellationToken cancelled)
        {
            try
            {
                return await host.Engine.ScoreAsync(
                    new()
                    {
                        Context = request.Inputs[i].Context,
                        Text = request.Inputs[i].Text,
                        Caller = caller,
                        Priority = settings.Priority,
                        Deadline = settings.Deadline
                    },
                    cancelled);
            }
            catch (Exception exception) when (EngineErrors.IsExpected(exception) && !Admissions.IsStale(exception))
            {
                throw EngineErrors.OfInput(exception, $"inputs[{i}]");
            }
        }
    }

    /// <summary>Finds the model and gives it the request; again where it went meanwhile.</summary>
    private (GeneratorHost Host, GenerationRequest Asked, GenerationStream Stream) Begin(
        V1.GenerateRequest request, ServerCallContext context, CancellationToken cancelled)
    {
        while (true)
        {
            var table = router.Table;
            var host = CallChecks.FindGenerator(table, request.Model);
            var asked = Asked(request, host.Defaults, context);
            try
            {
                return (host, asked, host.Engine.Generate(asked, cancelled));
            }
            catch (Exception exception) when (Admissions.IsStale(exception) && router.Table != table)
            {
                // The new table does not have it.
            }
        }
    }

    private static GenerationRequest Asked(
        V1.GenerateRequest request, SamplingOptions defaults, ServerCallContext context)
    {
        var sampling = request.Sampling ?? new();
        var settings = CallChecks.Settings(
            V1.Truncation.Unspecified, request.Priority, place: 0, context.Deadline, context.CancellationToken);
        return new()
        {
            Prompt = request.Prompt,
            Truncates = request.Truncation switch
            {
                V1.PromptTruncation.Unspecified or V1.PromptTruncation.Error => false,
                V1.PromptTruncation.Left => true,
                var other => throw Errors.InvalidArgument(
                    "truncation", $"{(int)other} is no way to truncate; see the enumeration.")
            },
            Sampling = SamplingMessages.Options(sampling, defaults),
            IgnoresEnd = sampling.IgnoreEos,
            Answers = sampling.HasNumReturnSequences ? sampling.NumReturnSequences : 1,
            BestOf = sampling.BestOf,
            Beams = SamplingMessages.Beams(sampling),
            Caller = Caller(request.User, context),
            Priority = settings.Priority,
            Deadline = settings.Deadline
        };
    }

    /// <summary>Who shares the model: a user by name, or whoever calls from an address.</summary>
    private static string Caller(string user, ServerCallContext context)
    {
        if (user.Length > LongestUser)
            throw Errors.InvalidArgument("user", $"It has {user.Length} characters; at most {LongestUser} are needed.");
        var peer = context.Peer;
        return user.Length > 0 ? user : peer[..Math.Max(0, peer.LastIndexOf(':'))];
    }
}
