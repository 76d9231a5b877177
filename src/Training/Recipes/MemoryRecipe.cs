using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Training.Analysis;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>The memory of n tasks as masks over a backbone and as fine-tuned ones (Zhao et al. 2020, fig. 3).</summary>
[Recipe("memory", "analyze memory", "What n tasks take as masks, and as fine-tuned models.")]
public sealed record MemoryRecipe : Recipe
{
    [Setting("Every task is taken to be as large as this one.", Kind = SettingKind.Task)]
    public required VersionInput Task { get; init; }

    [Setting("The most tasks.", Min = 1, Max = 10_000, Unit = "tasks")]
    public int MostTasks { get; init; } = 20;

    public override IReadOnlyList<string> Models => [Task.Model];

    public override IReadOnlyList<string> DatasetNames => [];

    public override IReadOnlyList<VersionInput> TaskVersions => [Task];

    public override void Validate(IRecipeInputs inputs) => SettingSet.Check(this);

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        using var classifier = TrainedClassifier.Open(context.Inputs, Task);
        using var encoder = BertEncoder.Load(context.Backend, classifier.Config, classifier.Backbone);
        var (weight, bias) = classifier.Pack.ReadHead(classifier.Config.Hidden);
        long head = sizeof(float) * (weight.Length + bias.Length);
        var masked = classifier.Pack.Masks.Where(mask => mask.Name != BertTensors.ClassifierWeight).ToList();
        var maskBytes = masked.Sum(mask => BitMask.ByteCount(mask.Rows, mask.Columns));
        var rows = Enumerable.Range(1, MostTasks)
            .Select(tasks => new VersionMemory(
                tasks, tasks * (encoder.Bytes + head), encoder.Bytes + (tasks * (maskBytes + head))))
            .ToList();
        context.WriteReport("memory.json", Serialize(new
        {
            Task,
            BackboneBytes = encoder.Bytes,
            MaskedWeights = masked.Sum(mask => (long)mask.Rows * mask.Columns),
            MaskBytes = maskBytes,
            HeadBytes = head,
            Tasks = rows
        }));
        const double megabyte = 1e6;
        context.WriteReport("memory.svg", SvgPlot.Chart("Memory of n tasks", "tasks", "MB", [
            new("fine-tuned", [.. rows.Select(row => ((double)row.Tasks, row.FinetunedBytes / megabyte))]),
            new("masks", [.. rows.Select(row => ((double)row.Tasks, row.MaskedBytes / megabyte))])
        ]));
        return new(new Dictionary<string, double>(StringComparer.Ordinal)
        {
            ["finetuned_bytes_per_task"] = encoder.Bytes + head,
            ["masked_bytes_per_task"] = maskBytes + head,
            ["ratio_per_task"] = (double)(encoder.Bytes + head) / (maskBytes + head)
        });
    }

    private sealed record VersionMemory(int Tasks, long FinetunedBytes, long MaskedBytes);
}
