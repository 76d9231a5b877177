using Serving.Catalog.Resident;
using Serving.Inference.Classification;
using Serving.Models.Bert;

namespace Serving.Server.Services;

/// <summary>Which vectors are wanted.</summary>
/// <param name="Model">Empty for that of the task, or the only one.</param>
/// <param name="Task">Whose mask; null for the model as it is.</param>
/// <param name="Pooling">Null for the default, see <see cref="EmbeddingRequest.Pooling"/>.</param>
internal sealed record EmbeddingTarget(string Model, V1.TaskReference? Task, Pooling? Pooling, bool WantsTokens)
{
    public InputTarget Inputs { get; } = new(Task is null ? [] : [Task], Model, TaskField: "task");
}

/// <summary>The vectors of a call.</summary>
/// <param name="Model">The model that answered.</param>
internal sealed record EmbeddingAnswer(string Model, EmbeddingResult[] Results);

/// <summary>Runs all texts of a call through a model, with or without a task's mask.</summary>
internal sealed class EmbeddingRunner(Admissions admissions)
{
    /// <param name="texts">At least one, with their paths in the request.</param>
    /// <exception cref="Grpc.Core.RpcException">It was turned away, or a text failed.</exception>
    public async Task<EmbeddingAnswer> RunAsync(
        IReadOnlyList<(V1.TextInput Text, string Path)> texts, EmbeddingTarget target, CallSettings settings)
    {
        using var first = Admit(target, settings);
        var results = await CallInputs.RunAllAsync(
            texts.Count,
            (i, cancelled) =>
                RunAsync(texts[i], target, i == 0 ? first : null, settings with { Cancelled = cancelled }),
            settings.Cancelled);
        return new(first.Host!.Name, results);
    }

    private async Task<EmbeddingResult> RunAsync(
        (V1.TextInput Text, string Path) text, EmbeddingTarget target, InputAdmission? first, CallSettings settings)
    {
        var request = new EmbeddingRequest
        {
            Text = text.Text.Text,
            Pair = text.Text.HasPair ? text.Text.Pair : null,
            Pooling = target.Pooling,
            WantsTokens = target.WantsTokens,
            Truncation = settings.Truncation,
            Priority = settings.Priority,
            Deadline = settings.Deadline
        };
        return await admissions.RunAsync(
            target.Inputs, first ?? Admit(target, settings), settings, text.Path,
            admitted => admitted.Host!.Engine.EmbedAsync(
                admitted.Routes is [var route]
                    ? request with { Task = new(route.Task, route.Version.Version) }
                    : request,
                admitted.Place!, settings.Cancelled));
    }

    private InputAdmission Admit(EmbeddingTarget target, CallSettings settings)
    {
        var admission = admissions.Admit(target.Inputs, settings.Place, settings.IsPaced);
        if (admission.Refusal is { } refusal)
            throw refusal;
        try
        {
            ThrowUnlessPooled(target, admission.Host!);
            return admission;
        }
        catch
        {
            admission.Dispose();
            throw;
        }
    }

    private static void ThrowUnlessPooled(EmbeddingTarget target, EncoderHost host)
    {
        if (target.Pooling == Pooling.Pooler && !host.Config.HasPooler)
        {
            throw Errors.InvalidArgument(
                "pooling",
                $"The model '{host.Name}' was saved without its pooler; ask for POOLING_CLS or POOLING_MEAN.");
        }
    }
}
