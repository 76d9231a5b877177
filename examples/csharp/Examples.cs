using System.Runtime.CompilerServices;
using Serving.Client;
using Serving.V1;
using Task = System.Threading.Tasks.Task;

namespace Serving.Example;

/// <summary>What most programs want of a server, one method each.</summary>
internal static class Examples
{
    /// <summary>One text under some tasks.</summary>
    public static async Task ClassifyAsync(
        ServingClient client, string text, IReadOnlyList<string> tasks, CancellationToken cancellationToken)
    {
        var response = await client.ClassifyAsync([text], tasks, cancellationToken);

        // One result for each text, in it one classification for each task, both in the request's order.
        foreach (var answer in response.Results[0].Classifications)
        {
            var probability = answer.Scores.Max(score => score.Probability);
            Console.WriteLine($"{answer.Task}\t{answer.Label}\t{probability:F4}\t{answer.Version[..12]}");
        }
    }

    /// <summary>Lines of standard input in one stream.</summary>
    public static async Task StreamAsync(ServingClient client, string task, CancellationToken cancellationToken)
    {
        var texts = new System.Collections.Concurrent.ConcurrentDictionary<long, string>();

        // Answers come as they are ready, not in the order of the requests: the id says whose it is.
        await foreach (var answer in client.ClassifyStreamAsync(RequestsAsync(), cancellationToken))
        {
            texts.TryRemove(answer.Id, out var text);
            var said = answer.OutcomeCase == ClassifyStreamResponse.OutcomeOneofCase.Error
                ? $"error: {answer.Error.Message}" // Only this text failed.
                : answer.Result.Classifications[0].Label;
            Console.WriteLine($"{answer.Id}\t{text}\t{said}");
        }

        // Read no faster than the server takes them.
        async IAsyncEnumerable<ClassifyStreamRequest> RequestsAsync(
            [EnumeratorCancellation] CancellationToken cancelled = default)
        {
            for (var id = 1L; await Console.In.ReadLineAsync(cancelled) is { } line; id++)
            {
                texts[id] = line;
                yield return new()
                {
                    Id = id,
                    Input = new() { Text = line },
                    Tasks = { new TaskReference { Task = task } }
                };
            }
        }
    }

    /// <summary>Uploads a task version and puts it into production.</summary>
    public static async Task ImportAsync(
        ServingClient client, string task, string folder, CancellationToken cancellationToken)
    {
        var response = await client.ImportTaskAsync(
            task, folder, alias: "production", cancellationToken: cancellationToken);
        Console.WriteLine($"{task}\t{response.Version}\t{(response.Created ? "new" : "was there")}");
    }

    /// <summary>Trains a task from a file of texts and labels, and watches it.</summary>
    public static async Task TrainAsync(
        ServingClient client, string task, string path, CancellationToken cancellationToken)
    {
        var header = new DatasetHeader
        {
            Name = $"{task}-data",
            Format = DatasetFormat.Tsv,
            TextColumn = "text",
            LabelColumn = "label"
        };
        var dataset = await client.UploadDatasetAsync(header, path, cancellationToken: cancellationToken);
        var labels = string.Join(", ", dataset.Labels.Select(count => count.Label));
        Console.WriteLine($"{dataset.Rows} rows, labels: {labels}");

        var spec = new JobSpec
        {
            Classifier = new() { Method = TrainingMethod.Mask, Model = "mini", Dataset = dataset.Name, Epochs = 2 },
            Publish = new() { Task = task, Alias = "production" }
        };
        var job = await client.Jobs.SubmitJobAsync(new() { Spec = spec }, cancellationToken: cancellationToken);

        // Until the job is over; a lost connection is made again, and goes on where it broke.
        await foreach (var happened in client.WatchJobAsync(job.Id, cancellationToken: cancellationToken))
        {
            Console.WriteLine(happened.EventCase switch
            {
                JobEvent.EventOneofCase.Progress =>
                    $"step {happened.Progress.Step}/{happened.Progress.TotalSteps}  loss {happened.Progress.Loss:F3}",
                JobEvent.EventOneofCase.Evaluation =>
                    $"evaluation: accuracy {happened.Evaluation.Metrics["accuracy"]:F4}",
                JobEvent.EventOneofCase.Warning => $"warning: {happened.Warning.Message}",
                _ => $"{happened.State} {happened.Message}"
            });
        }

        job = await client.Jobs.GetJobAsync(new() { Id = job.Id }, cancellationToken: cancellationToken);
        if (job.State != JobState.Succeeded)
            throw new InvalidOperationException($"The job did not succeed: {job.Message}");
        Console.WriteLine($"{task}\t{job.TaskVersion}");
    }
}
