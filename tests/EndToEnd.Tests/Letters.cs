using Serving.Client;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>A dataset of letters, and jobs that learn masks from it.</summary>
internal static class Letters
{
    private const string Dataset = "letters";

    public static async Task UploadAsync(DataFolder data, ServingClient client)
    {
        var path = data.At($"{Dataset}.tsv");
        await File.WriteAllLinesAsync(path, Enumerable.Range(0, 90)
            .Select(i => $"{Text(i)}\t{(i % 2 == 0 ? "even" : "odd")}").Prepend("text\tlabel"));
        await client.UploadDatasetAsync(new() { Name = Dataset, TextColumn = "text", LabelColumn = "label" }, path);
    }

    /// <param name="task">The task that gets the version.</param>
    public static JobSpec MaskJob(int epochs, string task) => new()
    {
        Classifier = new()
        {
            Method = TrainingMethod.Mask,
            Model = DataFolder.Model,
            Dataset = Dataset,
            ValidationShare = 0.2,
            MaxTokens = 30,
            Epochs = epochs,
            BatchSize = 16,
            CheckpointInterval = 7,
            EvaluationInterval = 200,
            Seed = 3
        },
        Publish = new() { Task = task }
    };

    private static string Text(int i) =>
        string.Join(' ', Enumerable.Range(0, 12).Select(j => (char)('a' + (((i * (j + 3)) + j) % 26))));
}
