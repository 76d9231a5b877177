using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Text.Bert;
using Serving.Training.Analysis;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>[CLS] vectors of the last layer in 2D, with and without masks (Zhao et al. 2020, fig. 4).</summary>
/// <remarks>
/// By principal components, which distort no distances, and by t-SNE, which the paper shows. The silhouette is that of
/// the full vectors, the accuracy of nearest neighbours that of the t-SNE picture.
/// </remarks>
[Recipe("projection", "analyze projection", "[CLS] vectors in two dimensions, without the masks and with them.")]
public sealed record ProjectionRecipe : Recipe
{
    private const int BatchSize = 32;

    [Setting("The task whose masks are shown.", Kind = SettingKind.Task)]
    public required VersionInput Task { get; init; }

    [Setting("The texts; they have labels.", Kind = SettingKind.Dataset)]
    public required string Dataset { get; init; }

    [Setting("How many of the dataset's first rows are taken.", Min = 3, Max = 5000, Unit = "examples")]
    public int MostExamples { get; init; } = 500;

    [Setting(
        "About how many neighbours of a vector t-SNE looks at; at most a third of the other vectors.", Min = 2,
        Max = 500)]
    public double Perplexity { get; init; } = 30;

    public override IReadOnlyList<string> Models => [Task.Model];

    public override IReadOnlyList<string> DatasetNames => [Dataset];

    public override IReadOnlyList<VersionInput> TaskVersions => [Task];

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        TrainedClassifier.ThrowUnlessReads(inputs, Task, Dataset, nameof(Dataset));
        if (LabelledDataset.Manifest(inputs, Dataset).Labels.Count < 2)
        {
            throw new SettingException(
                nameof(Dataset),
                $"The dataset '{Dataset}' has no classes to tell apart; at least two labels are needed.");
        }
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        using var classifier = TrainedClassifier.Open(context.Inputs, Task);
        var rows = LabelledDataset.Rows(context.Inputs, Dataset).Take(MostExamples).ToList();
        var sequences = rows.ConvertAll(
            row => LabelledDataset.Encode(classifier.Tokenizer, row, classifier.Config.MaxPositions));
        var labels = rows.ConvertAll(row => row.Label!);
        var (before, tsneBefore) = Project(context, classifier, classifier.Backbone, sequences, labels, "before");
        var (after, tsneAfter) = Project(context, classifier, classifier, sequences, labels, "after");
        context.WriteReport("projection.json", Serialize(new
        {
            Task,
            Dataset,
            Labels = labels,
            Before = before,
            After = after,
            TsneBefore = tsneBefore,
            TsneAfter = tsneAfter
        }));
        return new(new Dictionary<string, double>(StringComparer.Ordinal)
        {
            ["silhouette_before"] = before.Silhouette,
            ["silhouette_after"] = after.Silhouette,
            ["neighbor_accuracy_before"] = tsneBefore.NeighborAccuracy(labels),
            ["neighbor_accuracy_after"] = tsneAfter.NeighborAccuracy(labels)
        });
    }

    private (Projection Linear, TSne Tsne) Project(
        RecipeContext context, TrainedClassifier classifier, IParameterSource weights, List<TokenSequence> sequences,
        List<string> labels, string when)
    {
        var vectors = Vectors(context, classifier, weights, sequences);
        var components = PrincipalComponents.Of(vectors, TSne.Components);
        var linear = Projection.Of(components, vectors, labels);
        var tsne = TSne.Of(components, Perplexity, context.CancellationToken);
        var what = classifier.Pooling == Pooling.Mean ? "Means" : "[CLS]";
        var title = $"{what} of {Dataset} {when} masking by {Task.Task}";
        context.WriteReport(
            $"projection-{when}.svg", Chart(title, "first component", "second component", linear.Points, labels));
        context.WriteReport(
            $"tsne-{when}.svg",
            Chart(
                title, FormattableString.Invariant($"t-SNE, perplexity {tsne.Perplexity:0.#}"), "", tsne.Points,
                labels));
        return (linear, tsne);
    }

    private static List<float[]> Vectors(
        RecipeContext context, TrainedClassifier classifier, IParameterSource weights, List<TokenSequence> sequences)
    {
        // What the pooler makes of [CLS] is the head's first step; the paper shows what it is made of.
        var pooling = classifier.Pooling == Pooling.Mean ? Pooling.Mean : Pooling.Cls;
        using var model = BertModel.Load(context.Backend, classifier.Config, weights);
        using var tape = new Tape(context.Backend);
        var vectors = new List<float[]>();
        foreach (var part in sequences.Chunk(BatchSize))
        {
            context.CancellationToken.ThrowIfCancellationRequested();
            var vector = model.Vectors(tape, new SequenceBatch(part), pooling, masks: null, DropoutKeys.Off);
            vectors.AddRange(vector.Value.ToArray().Chunk(classifier.Config.Hidden));
            tape.Reset();
        }

        return vectors;
    }

    /// <summary>Points, those of each label in a colour.</summary>
    private static string Chart(
        string title, string xLabel, string yLabel, IReadOnlyList<ProjectedPoint> points, List<string> labels) =>
        SvgPlot.Chart(title, xLabel, yLabel,
        [
            .. points.Zip(labels).GroupBy(pair => pair.Second).OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group => new PlotSeries(
                    group.Key, [.. group.Select(pair => (pair.First.X, pair.First.Y))], IsLine: false))
        ]);
}
