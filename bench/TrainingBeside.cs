using Serving.Client;
using Serving.V1;

namespace Serving.Bench;

/// <summary>A job on the server under load, which trains a mask for as long as it is let.</summary>
internal sealed class TrainingBeside(ServingClient client, string model)
{
    private const string Dataset = "texts";
    private string _job = "";

    /// <summary>Gives it something to learn from.</summary>
    public async Task UploadAsync()
    {
        const int rows = 20_000;
        const int mostWords = 120;
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllLinesAsync(file, Enumerable.Range(0, rows)
                .Select(row => $"{string.Join(' ', Enumerable.Repeat("a", 1 + (row % mostWords)))}\t{row % 2}"));
            await client.UploadDatasetAsync(
                new()
                {
                    Name = Dataset,
                    Format = DatasetFormat.Tsv,
                    NoHeader = true,
                    TextColumn = "1",
                    LabelColumn = "2"
                }, file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Begins, and waits until it computes.</summary>
    public async Task BeginAsync()
    {
        var recipe = new ClassifierRecipe
        {
            Model = model,
            Dataset = Dataset,
            Method = TrainingMethod.Mask,
            Epochs = 1000,
            Mask = new()
        };
        _job = (await client.Jobs.SubmitJobAsync(new() { Spec = new() { Classifier = recipe } })).Id;
        await foreach (var happened in client.WatchJobAsync(_job))
        {
            if (happened.Progress is { Step: > 5 })
                return;
        }

        throw new InvalidOperationException(
            $"The job {_job} ended: {(await client.Jobs.GetJobAsync(new() { Id = _job })).Message}");
    }

    /// <summary>Steps done since it began.</summary>
    public async Task<long> StepsAsync() => (await client.Jobs.GetJobAsync(new() { Id = _job })).Progress.Step;

    public async Task EndAsync()
    {
        await client.Jobs.CancelJobAsync(new() { Id = _job });
        await foreach (var happened in client.WatchJobAsync(_job))
        {
        }
    }
}
