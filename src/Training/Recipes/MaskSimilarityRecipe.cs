using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Training.Analysis;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>How much tasks' masks over one backbone differ, by tensor and block (Zhao et al. 2020, fig. 5).</summary>
[Recipe("mask_similarity", "analyze similarity", "How far tasks' masks differ, by tensor and by block.")]
public sealed record MaskSimilarityRecipe : Recipe
{
    private const int MostTasks = 64;

    [Setting("The tasks, 2 to 64, of one backbone.", Kind = SettingKind.Task)]
    public required IReadOnlyList<VersionInput> Tasks { get; init; }

    public override IReadOnlyList<string> Models => [.. Tasks.Select(task => task.Model)];

    public override IReadOnlyList<string> DatasetNames => [];

    public override IReadOnlyList<VersionInput> TaskVersions => Tasks;

    public override void Validate(IRecipeInputs inputs)
    {
        SettingException.ThrowUnless(
            Tasks.Count is >= 2 and <= MostTasks, nameof(Tasks), $"a list of {Tasks.Count}",
            $"2 to {MostTasks} task versions");
        var other = Tasks.FirstOrDefault(task => task.Model != Tasks[0].Model);
        if (other is not null)
        {
            throw new SettingException(
                nameof(Tasks),
                $"'{Tasks[0].Task}' is over the model '{Tasks[0].Model}', '{other.Task}' over '{other.Model}'; masks "
                + "over one backbone are needed.");
        }
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        var config = new BertFolder(context.Inputs.ModelFolder(Tasks[0].Model)).LoadConfig();
        var packs = new List<VersionFiles>();
        try
        {
            packs.AddRange(Tasks.Select(task => VersionFiles.Open(context.Inputs.TaskFolder(task), task.Version)));
            return Compare(context, config, packs);
        }
        finally
        {
            foreach (var pack in packs)
                pack.Dispose();
        }
    }

    private RecipeResult Compare(RecipeContext context, BertConfig config, List<VersionFiles> packs)
    {
        // A tensor that no task masks is the same for all.
        var tensors = BertTensors.Maskable(config)
            .Where(tensor => packs.Exists(pack => pack.HasMask(tensor.Name))).ToList();
        if (tensors.Count == 0)
        {
            throw new ArgumentException(
                "None of the tasks has masks over the backbone; choose tasks that were trained by masks.");
        }

        var kept = packs.ConvertAll(pack => Kept(pack, tensors));
        var pairs = new List<MaskPair>();
        for (var a = 0; a < packs.Count; a++)
        {
            for (var b = a + 1; b < packs.Count; b++)
            {
                context.CancellationToken.ThrowIfCancellationRequested();
                var distance = MaskDistance.Between(packs[a], packs[b]);
                var byTensor = tensors.ConvertAll(tensor => distance.ByTensor.GetValueOrDefault(tensor.Name));
                pairs.Add(new(
                    Tasks[a].Task,
                    Tasks[b].Task,
                    byTensor,
                    [.. tensors.Zip(byTensor).GroupBy(pair => Block(pair.First.Name))
                        .Select(block => block.Average(pair => pair.Second))],
                    distance.Total,
                    1 - (2 * kept[a] * kept[b] / (kept[a] + kept[b]))));
            }
        }

        var names = tensors.ConvertAll(tensor => tensor.Name
            .Replace("encoder.layer.", "", StringComparison.Ordinal).Replace(".weight", "", StringComparison.Ordinal));
        List<string> blocks = [.. tensors.Select(tensor => Block(tensor.Name)).Distinct(StringComparer.Ordinal)];
        context.WriteReport("mask-similarity.json", Serialize(new
        {
            Tasks = Tasks.Zip(kept, (task, part) => new { task.Task, task.Version, Kept = part }),
            Tensors = tensors.ConvertAll(tensor => tensor.Name),
            Blocks = blocks,
            Pairs = pairs
        }));
        var rows = pairs.ConvertAll(pair => $"{pair.A} / {pair.B}");
        context.WriteReport("tensors.svg", SvgPlot.Heatmap(
            "Dissimilarity of masks by tensor", names, rows, Transposed(pairs.ConvertAll(pair => pair.Tensors)), "F3"));
        context.WriteReport("blocks.svg", SvgPlot.Heatmap(
            "Dissimilarity of masks by block", blocks, rows, Transposed(pairs.ConvertAll(pair => pair.Blocks)), "F3"));
        return new(new Dictionary<string, double>(StringComparer.Ordinal)
        {
            ["dissimilarity"] = pairs.Average(pair => pair.Mean),
            ["dissimilarity_of_independent_masks"] = pairs.Average(pair => pair.IfIndependent)
        });
    }

    private static double Kept(VersionFiles pack, List<(string Name, int Rows, int Columns)> tensors) =>
        tensors.Sum(tensor => (double)BitMask.PopCount(
            MaskDistance.Bits(pack, tensor.Name, tensor.Rows, tensor.Columns)))
        / tensors.Sum(tensor => (double)tensor.Rows * tensor.Columns);

    /// <returns>"layer 3", or "pooler".</returns>
    private static string Block(string tensor) => tensor.StartsWith("encoder.layer.", StringComparison.Ordinal)
        ? $"layer {tensor.Split('.')[2]}"
        : tensor.Split('.')[0];

    private static List<IReadOnlyList<double>> Transposed(List<IReadOnlyList<double>> rows) =>
        [.. Enumerable.Range(0, rows[0].Count).Select(
            column => (IReadOnlyList<double>)[.. rows.Select(row => row[column])])];

    /// <param name="Tensors">0 for a tensor that neither masks.</param>
    /// <param name="Blocks">The means of their tensors.</param>
    /// <param name="Mean">Of all weights, see <see cref="MaskDistance.Total"/>.</param>
    /// <param name="IfIndependent">The expected difference of independent masks that keep as many weights.</param>
    private sealed record MaskPair(
        string A, string B, IReadOnlyList<double> Tensors, IReadOnlyList<double> Blocks, double Mean,
        double IfIndependent);
}
