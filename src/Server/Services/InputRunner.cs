using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Inference.Classification;
using Serving.Text.Bert;

namespace Serving.Server.Services;

/// <summary>How all inputs of a call are run.</summary>
/// <param name="Place">See <see cref="TaskRouter.Place"/>.</param>
internal sealed record CallSettings(
    Truncation Truncation, int Priority, double Place, DateTimeOffset? Deadline, CancellationToken Cancelled)
{
    /// <summary>See <see cref="TextRequest.IsPaced"/>.</summary>
    public bool IsPaced { get; init; }
}

/// <summary>What the tasks said of one input, in the request's order.</summary>
internal sealed record InputScores(IReadOnlyList<TaskScores> Scores, ClassificationResult Whole);

/// <summary>Runs an input under its tasks, each on the engine of its model.</summary>
internal sealed class InputRunner(Admissions admissions, ShadowRunner shadows)
{
    /// <param name="input">Its path in the request, for errors.</param>
    /// <exception cref="RpcException">It was turned away or failed.</exception>
    public Task<InputScores> RunAsync(
        V1.TextInput text, IReadOnlyList<V1.TaskReference> tasks, CallSettings settings, string input)
    {
        var admission = admissions.Admit(new(tasks), settings.Place, settings.IsPaced);
        return admission.Refusal is { } refusal
            ? Task.FromException<InputScores>(refusal)
            : RunAsync(text, tasks, admission, settings, input);
    }

    /// <param name="admission">Is used up.</param>
    /// <param name="input">Its path in the request, for errors.</param>
    /// <exception cref="RpcException">It failed.</exception>
    public Task<InputScores> RunAsync(
        V1.TextInput text, IReadOnlyList<V1.TaskReference> tasks, InputAdmission admission, CallSettings settings,
        string input)
    {
        var request = new ClassificationRequest
        {
            Text = text.Text,
            Pair = text.HasPair ? text.Pair : null,
            Tasks = [],
            Truncation = settings.Truncation,
            Priority = settings.Priority,
            Deadline = settings.Deadline,
            IsPaced = settings.IsPaced
        };
        return admissions.RunAsync(new(tasks), admission, settings, input, async admitted =>
        {
            var scores = await RunAsync(request, admitted, settings.Cancelled);
            shadows.Run(request, admitted.Routes, scores.Scores);
            return scores;
        });
    }

    private static async Task<InputScores> RunAsync(
        ClassificationRequest request, InputAdmission admission, CancellationToken cancelled)
    {
        var routes = admission.Routes;
        var host = routes[0].Host;
        if (Array.TrueForAll(routes, route => route.Host == host))
        {
            var answer = await ClassifyAsync(host, [.. routes.Select(Reference)]);
            return new(answer.Scores, answer);
        }

        // Tasks of several backbones: the parts run side by side, and are put together in the request's order.
        var parts = routes.GroupBy(route => route.Host)
            .Select(part => (Routes: part.ToList(), Answer: ClassifyAsync(part.Key, [.. part.Select(Reference)])))
            .ToList();
        await Task.WhenAll(parts.Select(part => part.Answer));
        var scores = new TaskScores[routes.Length];
        foreach (var (own, answer) in parts)
        {
            var next = 0;
            for (var i = 0; i < routes.Length; i++)
            {
                if (routes[i].Host == own[0].Host)
                    scores[i] = answer.Result.Scores[next++];
            }
        }

        return new(scores, parts.Select(part => part.Answer.Result).MaxBy(answer => answer.Queued + answer.Computed)!);

        // The first task's engine is the one that was asked for a place.
        async Task<ClassificationResult> ClassifyAsync(EncoderHost onHost, IReadOnlyList<TaskReference> tasks)
        {
            var part = request with { Tasks = tasks };
            return onHost == host
                ? await host.Engine.ClassifyAsync(part, admission.Place!, cancelled)
                : await onHost.Engine.ClassifyAsync(part, cancelled);
        }
    }

    private static TaskReference Reference(TaskRoute route) => new(route.Task, route.Version.Version);
}
