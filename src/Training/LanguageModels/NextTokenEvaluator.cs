using Serving.Decoding;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Decoders;
using Serving.Training.Layers;
using Serving.Training.Loop;
using Serving.Training.TextMetrics;

namespace Serving.Training.LanguageModels;

/// <summary>What a model predicts behind each token of a text (Welleck et al. 2020, sec. 6).</summary>
/// <param name="Repetition">By how many tokens before count.</param>
/// <param name="Unique">Different tokens among the predictions.</param>
/// <param name="UniqueInText">Different tokens of the text.</param>
public sealed record NextTokenReport(IReadOnlyList<NextTokenRepetition> Repetition, int Unique, int UniqueInText);

/// <summary>Shares of all predictions.</summary>
/// <param name="Window">How many tokens before count.</param>
/// <param name="Repeated">Predictions that are among them (rep).</param>
/// <param name="WronglyRepeated">Those that are not right (wrep).</param>
/// <param name="RepeatedInText">Tokens of the text that are among them.</param>
public sealed record NextTokenRepetition(
    int Window, double Repeated, double WronglyRepeated, double RepeatedInText);

/// <summary>Takes a model's likeliest token behind each of a text.</summary>
internal sealed class NextTokenEvaluator(Tape tape, DecoderModel model)
{
    private static readonly int[] Windows = [16, 32, 128, 512];

    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public NextTokenReport Run(TokenWindows texts, CancellationToken cancellationToken)
    {
        var (predicted, inText) = (new HashSet<int>(), new HashSet<int>());
        var sums = new long[Windows.Length, 3];
        var count = 0L;
        var windows = Enumerable.Range(0, texts.Count).Select(i => texts[i]);
        foreach (var part in MicroBatches.Split(windows, window => window.Count))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var predictions = Predict(part).AsSpan();
            foreach (var window in part)
            {
                var (own, targets) = (predictions[..window.Count].ToArray(), window.Labels.ToArray());
                predictions = predictions[window.Count..];
                predicted.UnionWith(own);
                inText.UnionWith(targets);
                count += targets.Length;
                for (var i = 0; i < Windows.Length; i++)
                {
                    sums[i, 0] += NextTokens.Repeated(own, targets, Windows[i]);
                    sums[i, 1] += NextTokens.WronglyRepeated(own, targets, Windows[i]);
                    sums[i, 2] += NextTokens.Repeated(targets, targets, Windows[i]);
                }
            }
        }

        double Share(int window, int kind) => (double)sums[window, kind] / count;
        return new(
            [.. Windows.Select((window, i) => new NextTokenRepetition(window, Share(i, 0), Share(i, 1), Share(i, 2)))],
            predicted.Count, inText.Count);
    }

    private int[] Predict(List<TokenWindow> part)
    {
        var predictions = new List<int>();
        var hidden = model.Forward(tape, new([.. part.Select(window => window.Inputs)]), DropoutKeys.Off);
        tape.VocabularyLogits(hidden, model.Output, (logits, _) =>
        {
            foreach (var row in logits.ToArray().Chunk(logits.Columns))
                predictions.Add(LikeliestToken.Of(row));
        });
        tape.Reset();
        return [.. predictions];
    }
}
