using Serving.Tensors;
using Serving.Training.Analysis;
using Serving.Training.Autograd;
using Serving.Training.LanguageModels;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>
/// Evaluates a language model on held-out text: how well it predicts, and how its continuations repeat and differ under
/// methods of decoding (Holtzman et al. 2020, table 1; Welleck et al. 2020, sec. 6).
/// </summary>
[Recipe(
    "text_evaluation", "analyze text",
    "Judges a language model: perplexity, and repetition and diversity of what decoding makes of it.")]
public sealed record TextEvaluationRecipe : Recipe
{
    private const int ShownWindow = 128; // Of the tables of Welleck et al. 2020.

    [Setting("What is judged, a model that continues text.", Kind = SettingKind.Model)]
    public required string Model { get; init; }

    [Setting("The text that it is judged on; the model should not have learned from it.", Kind = SettingKind.Dataset)]
    public required string Dataset { get; init; }

    [Setting("Tokens of text that a continuation begins from.", Min = 1, Unit = "tokens")]
    public int PrefixLength { get; init; } = 32;

    [Setting("Tokens of a continuation.", Min = 1, Unit = "tokens")]
    public int ContinuationLength { get; init; } = 100;

    [Setting("How many texts are continued, spread over the dataset.", Min = 2, Max = 5000, Unit = "texts")]
    public int MostContinuations { get; init; } = 200;

    [Setting("Temperatures to try, with all tokens and with the likeliest.", Above = 0, Max = 100)]
    public IReadOnlyList<double> Temperatures { get; init; } = [1];

    [Setting("Numbers of likeliest tokens to try.", Min = 1)]
    public IReadOnlyList<int> TopK { get; init; } = [40];

    [Setting("Probabilities of likeliest tokens to try.", Above = 0, Below = 1)]
    public IReadOnlyList<double> TopP { get; init; } = [0.95];

    [Setting(
        "Least probabilities to try, as parts of the highest.", Name = "min_p", Above = 0, Max = 1, Otherwise = "none")]
    public IReadOnlyList<double> MinP { get; init; } = [];

    [Setting(
        "Probabilities of tokens of typical surprise to try.", Name = "typical_p", Above = 0, Below = 1,
        Otherwise = "none")]
    public IReadOnlyList<double> TypicalP { get; init; } = [];

    [Setting("Everything random follows from it.")]
    public ulong Seed { get; init; }

    public override IReadOnlyList<string> Models => [Model];

    public override IReadOnlyList<string> DatasetNames => [Dataset];

    /// <summary>Greedy; for each temperature all tokens, and each of the cuts.</summary>
    internal IReadOnlyList<DecodingMethod> Methods =>
        [DecodingMethod.Greedy, .. Temperatures.Select(DecodingMethod.AtTemperature).SelectMany(WithCuts)];

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        var config = GenerativeModel.Require(inputs, Model, nameof(Model));
        SettingException.ThrowUnless(
            PrefixLength + ContinuationLength <= config.MaxPositions, nameof(ContinuationLength), ContinuationLength,
            $"1 to {config.MaxPositions - PrefixLength}, what '{Model}' can read behind {PrefixLength} tokens");
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        var folder = GenerativeModel.Folder(context.Inputs, Model);
        var tokenizer = folder.LoadTokenizer();
        using var model = GenerativeModel.Load(context.Backend, folder);
        var config = model.Config;
        using var tape = new Tape(context.Backend);
        Directory.CreateDirectory(context.Checkpoints);
        var path = Path.Combine(context.Checkpoints, "text.tokens");
        TokenStream.Write(
            path, CorpusRows.Read(context.Inputs, [Dataset]).Select(row => row.Text), tokenizer,
            config.EndToken!.Value);
        using var stream = TokenStream.Open(path);
        var texts = Texts(stream);
        var windows = new TokenWindows(stream, config.MaxPositions);
        var metrics = new Dictionary<string, double>(
            new LanguageModelEvaluator(tape, model, windows, repetitions: null).Run(context.CancellationToken),
            StringComparer.Ordinal);
        var predictions = new NextTokenEvaluator(tape, model).Run(windows, context.CancellationToken);
        List<ContinuationReport> reports =
        [
            .. new ContinuationEvaluator(
                context.Backend, model, PrefixLength, ContinuationLength, CounterRandom.Key(Seed, 0)).Run(
                texts, Methods, context.CancellationToken)
        ];
        context.WriteReport("text.json", Serialize(new
        {
            Model,
            Dataset,
            PrefixLength,
            ContinuationLength,
            Continuations = texts.Count,
            Prediction = metrics,
            NextToken = predictions,
            Methods = reports
        }));
        WritePlot(context, reports);
        var shown = predictions.Repetition.Single(each => each.Window == ShownWindow);
        metrics[$"rep_{ShownWindow}"] = shown.Repeated;
        metrics[$"wrep_{ShownWindow}"] = shown.WronglyRepeated;
        metrics["greedy_seq_rep_4"] = reports[1].SequenceRepetition[^1];
        metrics["text_seq_rep_4"] = reports[0].SequenceRepetition[^1];
        return new(metrics);
    }

    private IEnumerable<DecodingMethod> WithCuts(DecodingMethod method) =>
    [
        method,
        .. TopK.Select(k => method.With($"top-k {k}", options => options with { TopK = k })),
        .. TopP.Select(p => method.With($"top-p {p}", options => options with { TopP = p })),
        .. MinP.Select(p => method.With($"min-p {p}", options => options with { MinP = p })),
        .. TypicalP.Select(p => method.With($"typical-p {p}", options => options with { TypicalP = p }))
    ];

    /// <summary>Pieces of the dataset, spread evenly over it.</summary>
    private List<int[]> Texts(TokenStream stream)
    {
        var length = PrefixLength + ContinuationLength;
        var pieces = stream.Tokens / length;
        if (pieces < 2)
        {
            throw new SettingException(
                nameof(Dataset),
                $"'{Dataset}' has {stream.Tokens} tokens; at least {2 * length} are needed for two texts of {length}.");
        }

        var count = (int)Math.Min(MostContinuations, pieces);
        return [.. Enumerable.Range(0, count).Select(i => stream.Read(i * pieces / count * length, length))];
    }

    private void WritePlot(RecipeContext context, List<ContinuationReport> reports) => context.WriteReport(
        "text.svg", SvgPlot.Chart(
            $"{Model} on {Dataset}: what decoding makes of it", "self-BLEU-4", "seq-rep-4",
            [.. reports.Select(report => new PlotSeries(
                report.Method, [(report.SelfBleu, report.SequenceRepetition[^1])], IsLine: false))]));
}
