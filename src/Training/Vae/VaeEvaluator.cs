using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Layers;
using Serving.Training.Loop;
using Metrics = System.Collections.Generic.IReadOnlyDictionary<string, double>;
using Purpose = Serving.Training.RandomPurposes.Vae;

namespace Serving.Training.Vae;

/// <summary>How well an autoencoder does on held-out texts, always with the whole divergence.</summary>
/// <remarks>
/// "reconstruction" and "kl" are nats of a text, "loss" is their sum, the negative lower bound, "perplexity" its
/// exponential spread over tokens, ends included; "accuracy" is the share of tokens with the largest logit behind the
/// right ones. One draw a text. "mutual_information" and "active_units" see <see cref="GaussianPosterior"/>.
/// </remarks>
/// <param name="seed">What is drawn follows from it.</param>
internal sealed class VaeEvaluator(Tape tape, VaeModel model, IReadOnlyList<Sentence> heldOut, ulong seed)
{
    /// <summary>Texts whose information is measured; the work grows with their square.</summary>
    private const int MostTexts = 1000;

    public const string Loss = "loss";
    public const string Reconstruction = "reconstruction";
    public const string Divergence = "kl";
    public const string Perplexity = "perplexity";
    public const string Accuracy = "accuracy";
    public const string MutualInformation = "mutual_information";
    public const string ActiveUnits = "active_units";
    public const string ImportanceLoss = "importance_nll";
    public const string ImportancePerplexity = "importance_perplexity";

    /// <summary>What the best state is chosen by: larger is better.</summary>
    public static double Score(Metrics metrics) => -metrics[Loss];

    private long Tokens => heldOut.Sum(sentence => (long)sentence.Count);

    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public Metrics Run(CancellationToken cancellationToken)
    {
        var (reconstruction, divergence, correct) = (0.0, 0.0, 0.0);
        var statistics = new List<float>();
        foreach (var (first, part) in Parts())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var posterior = Encode(part, statistics);
            var z = Draw(posterior, first, draw: 0);
            var (losses, right) = Decode(part, z);
            reconstruction += losses.Sum();
            correct += right;
            divergence += Enumerable.Range(0, part.Count).Sum(posterior.Divergence);
        }

        var latent = model.Config.Latent;
        var some = new GaussianPosterior(
            [.. statistics.Take(2 * latent * Math.Min(MostTexts, heldOut.Count))], latent);
        return new Dictionary<string, double>(StringComparer.Ordinal)
        {
            [Loss] = (reconstruction + divergence) / heldOut.Count,
            [Reconstruction] = reconstruction / heldOut.Count,
            [Divergence] = divergence / heldOut.Count,
            [Perplexity] = Math.Exp((reconstruction + divergence) / Tokens),
            [Accuracy] = correct / Tokens,
            [MutualInformation] = some.MutualInformation(CounterRandom.Key(seed, Purpose.Information)),
            [ActiveUnits] = some.ActiveUnits()
        };
    }

    /// <summary>
    /// The likelihood itself, by importance: -ln of the mean of p(x|z) p(z) / q(z|x) over draws (Burda et al. 2016, eq.
    /// 8), an upper bound that falls with their number.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public Metrics RunImportance(int draws, CancellationToken cancellationToken)
    {
        var (total, weights) = (0.0, new double[draws]);
        foreach (var (first, part) in Parts())
        {
            var posterior = Encode(part, []);
            var all = new double[part.Count, draws];
            for (var draw = 0; draw < draws; draw++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var z = Draw(posterior, first, draw);
                var (losses, _) = Decode(part, z);
                for (var i = 0; i < part.Count; i++)
                {
                    var own = z.AsSpan(i * posterior.Latent, posterior.Latent);
                    all[i, draw] =
                        GaussianPosterior.LogPrior(own) - posterior.LogDensity(i, own) - losses[i];
                }
            }

            for (var i = 0; i < part.Count; i++)
            {
                for (var draw = 0; draw < draws; draw++)
                    weights[draw] = all[i, draw];
                total -= GaussianPosterior.LogMeanExp(weights);
            }
        }

        return new Dictionary<string, double>(StringComparer.Ordinal)
        {
            [ImportanceLoss] = total / heldOut.Count,
            [ImportancePerplexity] = Math.Exp(total / Tokens)
        };
    }

    private IEnumerable<(int First, List<Sentence> Part)> Parts()
    {
        var first = 0;
        foreach (var part in MicroBatches.Split(heldOut, sentence => sentence.Count))
        {
            yield return (first, part);
            first += part.Count;
        }
    }

    private GaussianPosterior Encode(List<Sentence> part, List<float> statistics)
    {
        var values = model.Encode(tape, new(part)).Value.ToArray();
        tape.Reset(); // Not run backward.
        statistics.AddRange(values);
        return new(values, model.Config.Latent);
    }

    /// <returns>[texts, latent]</returns>
    private double[] Draw(GaussianPosterior posterior, int first, int draw)
    {
        var key = CounterRandom.Bits(CounterRandom.Key(seed, Purpose.Evaluation), (ulong)draw);
        var latent = posterior.Latent;
        return
        [
            .. Enumerable.Range(0, posterior.Texts * latent).Select(i => posterior.Draw(
                i / latent, i % latent, CounterRandom.Normal(key, (ulong)((first * latent) + i))))
        ];
    }

    /// <returns>-ln p(x|z) of each text, and how many tokens have the largest logit.</returns>
    private (double[] Losses, double Correct) Decode(List<Sentence> part, double[] latents)
    {
        var batch = new SentenceBatch(part);
        using var sums = tape.Backend.AllocateScalars(part.Count + 1);
        var z = tape.NewVariable(part.Count, model.Config.Latent, needsGradient: false);
        z.Value.CopyFrom([.. latents.Select(value => (float)value)]);
        var hidden = model.Decode(tape, batch, batch.Inputs, z, DropoutKeys.Off);
        tape.VocabularyLogits(hidden, model.Output, (logits, first) =>
        {
            tape.Backend.CountCorrect(
                logits, tape.Indices(batch.Labels.AsSpan(first, logits.Rows)), sums[part.Count]);
            for (var i = 0; i < part.Count; i++)
            {
                var begin = Math.Max(batch.Offsets[i], first);
                var end = Math.Min(batch.Offsets[i + 1], first + logits.Rows);
                if (begin >= end)
                    continue;
                var own = logits.Slice(begin - first, end - begin);
                tape.Backend.SoftmaxCrossEntropy(
                    own, tape.Indices(batch.Labels.AsSpan(begin, end - begin)), scale: 1, own, sums[i]);
            }
        });
        var values = new double[part.Count + 1];
        sums.Read(values);
        tape.Reset();
        return (values[..^1], values[^1]);
    }
}
