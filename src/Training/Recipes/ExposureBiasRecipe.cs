using Serving.Tensors;
using Serving.Text.Bpe;
using Serving.Training.Analysis;
using Serving.Training.Decoders;
using Serving.Training.LanguageModels;
using Serving.Training.Settings;
using Serving.Training.TextMetrics;

namespace Serving.Training.Recipes;

/// <summary>Measures the exposure bias of a language model over lengths of prefixes (He et al. 2021).</summary>
[Recipe(
    "exposure_bias", "analyze exposure-bias",
    "Measures whether a language model does worse behind its own texts than behind real ones, with controls.")]
public sealed record ExposureBiasRecipe : Recipe
{
    private const int LeastTexts = 2;

    [Setting("What is judged, a model that continues text.", Kind = SettingKind.Model)]
    public required string Model { get; init; }

    [Setting(
        "The text that real prefixes are of, each row a text; the model should not have learned from it.",
        Kind = SettingKind.Dataset)]
    public required string Dataset { get; init; }

    [Setting(
        "The model that the judged one's training texts were drawn from, with the same tokens: distances of "
        + "distributions are measured, too.",
        Kind = SettingKind.Model, Otherwise = "none: quality and diversity alone")]
    public string? Teacher { get; init; }

    [Setting("Numbers of tokens that texts begin with.", Min = 1)]
    public IReadOnlyList<int> PrefixLengths { get; init; } = [5, 10, 20, 30];

    [Setting("Tokens of a continuation.", Min = 1, Unit = "tokens")]
    public int ContinuationLength { get; init; } = 20;

    [Setting("The most prefixes of a kind.", Min = LeastTexts, Max = 10_000, Unit = "texts")]
    public int MostPrefixes { get; init; } = 500;

    [Setting("The most tokens in a row that quality and diversity are counted by.", Min = 1, Max = 9, Unit = "tokens")]
    public int NGram { get; init; } = 3;

    [Setting("Resamples of the bootstrap, which gives the intervals.", Min = 100, Max = 100_000, Unit = "resamples")]
    public int Resamples { get; init; } = 1000;

    [Setting("Everything random follows from it.")]
    public ulong Seed { get; init; }

    public override IReadOnlyList<string> Models => Teacher is null ? [Model] : [Model, Teacher];

    public override IReadOnlyList<string> DatasetNames => [Dataset];

    private int LongestPrefix => PrefixLengths.Max();

    private long Longest => (long)LongestPrefix + ContinuationLength;

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        if (PrefixLengths.Count == 0)
            throw new SettingException(nameof(PrefixLengths), "There is none; give at least one number of tokens.");
        SettingException.ThrowUnless(
            NGram <= ContinuationLength, nameof(NGram), NGram,
            $"1 to {ContinuationLength}, the tokens of a continuation");
        foreach (var (name, setting) in Teacher is null
            ? [(Model, nameof(Model))]
            : ((string, string)[])[(Model, nameof(Model)), (Teacher, nameof(Teacher))])
        {
            var config = GenerativeModel.Require(inputs, name, setting);
            SettingException.ThrowUnless(
                LongestPrefix < config.MaxPositions, nameof(PrefixLengths), $"up to {LongestPrefix}",
                $"1 to {config.MaxPositions - 1}, so that '{name}' can read a continuation behind it");
            SettingException.ThrowUnless(
                Longest <= config.MaxPositions, nameof(ContinuationLength), ContinuationLength,
                $"1 to {config.MaxPositions - LongestPrefix}, what '{name}' can read behind "
                + $"{LongestPrefix} tokens");
        }

        if (Teacher is not null && !Tokens(inputs, Model).SequenceEqual(Tokens(inputs, Teacher)))
        {
            throw new SettingException(
                nameof(Teacher),
                $"'{Teacher}' has other tokens than '{Model}', so their distributions can't be compared. Train "
                + $"'{Model}' from it, or both with one vocabulary.");
        }
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        var folder = GenerativeModel.Folder(context.Inputs, Model);
        using var model = GenerativeModel.Load(context.Backend, folder);
        using var teacher = Teacher is null
            ? null
            : GenerativeModel.Load(context.Backend, GenerativeModel.Folder(context.Inputs, Teacher));
        var (prefixes, references) = Texts(context.Inputs, folder.LoadTokenizer());
        var evaluator = new ExposureBiasEvaluator(
            context.Backend, model, teacher, prefixes, references, new(ContinuationLength, NGram, Resamples),
            CounterRandom.Key(Seed, 0));
        List<ExposureBiasReport> reports =
            [.. PrefixLengths.Distinct().Order().Select(length => evaluator.Run(length, context.CancellationToken))];
        context.WriteReport("exposure-bias.json", Serialize(new
        {
            Model,
            Teacher,
            Dataset,
            ContinuationLength,
            NGram,
            References = references.Count,
            Lengths = reports
        }));
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var (name, title, of) in Measures(teacher))
        {
            WritePlot(context, name, title, reports, of);
            foreach (var report in reports)
            {
                if (of(report).Own.Value is { } value)
                    metrics[$"{name}_{report.PrefixLength}"] = value;
            }
        }

        return new(metrics);
    }

    private static IEnumerable<(string Name, string Title, Func<ExposureBiasReport, ExposureBiasOf> Of)> Measures(
        DecoderModel? teacher)
    {
        yield return ("quality", "EB-M, BLEU", report => report.Quality);
        yield return ("diversity", "EB-M, entropy", report => report.Diversity);
        if (teacher is null)
            yield break;
        yield return ("total_variation", "EB-C, total variation", report => report.TotalVariation!);
        yield return ("jensen_shannon", "EB-C, Jensen-Shannon", report => report.JensenShannon!);
    }

    /// <summary>Those that are long enough, in turn for prefixes and as references.</summary>
    private (List<int[]> Prefixes, List<int[]> References) Texts(IRecipeInputs inputs, BpeTokenizer tokenizer)
    {
        List<int[]> texts =
        [
            .. CorpusRows.Read(inputs, [Dataset]).Select(row => tokenizer.Encode(row.Text))
                .Where(tokens => tokens.Count >= Longest).Select(tokens => tokens.Take((int)Longest).ToArray())
        ];
        if (texts.Count < 2 * LeastTexts)
        {
            throw new SettingException(
                nameof(Dataset),
                $"'{Dataset}' has {texts.Count} texts of {Longest} tokens or more, what the longest prefix and its "
                + $"continuation need; at least {2 * LeastTexts} are needed. Ask for shorter ones, or give longer "
                + "texts.");
        }

        var ofEach = Math.Min(MostPrefixes, texts.Count / 2);
        return (
            [.. texts.Where((_, i) => i % 2 == 0).Take(ofEach)], [.. texts.Where((_, i) => i % 2 == 1).Take(ofEach)]);
    }

    private static IEnumerable<string> Tokens(IRecipeInputs inputs, string model) =>
        GenerativeModel.Folder(inputs, model).LoadTokenizer().Vocabulary.Tokens;

    private void WritePlot(
        RecipeContext context, string name, string title, List<ExposureBiasReport> reports,
        Func<ExposureBiasReport, ExposureBiasOf> of)
    {
        PlotSeries Series(string label, Func<ExposureBiasOf, double?> value, bool isLine = true) => new(
            label, [.. reports.Select(report => ((double)report.PrefixLength, value(of(report)) ?? double.NaN))],
            isLine);
        context.WriteReport(name.Replace('_', '-') + ".svg", SvgPlot.Chart(
            $"{Model} on {Dataset}: {title}", "tokens of the prefix", "real over other; distances the other way",
            [
                Series("own prefixes", each => each.Own.Value), Series("95%, low", each => each.Own.Low, isLine: false),
                Series("95%, high", each => each.Own.High, isLine: false),
                Series("shuffled prefixes", each => each.Shuffled.Value),
                Series("random prefixes", each => each.Random.Value)
            ]));
    }
}
