using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Layers;
using Serving.Training.Loop;
using Serving.Training.Optimization;
using Purpose = Serving.Training.RandomPurposes.Vae;

namespace Serving.Training.Vae;

/// <summary>
/// Steps of the encoder alone, on a step's texts and then on others, until the loss falls no more (He et al. 2019, alg.
/// 1).
/// </summary>
/// <remarks>What it does follows from the step's key and the parameters, so nothing of it is in checkpoints.</remarks>
/// <param name="optimizer">The encoder's.</param>
internal sealed class EncoderLoop(
    Tape tape, VaeModel model, VaePass pass, IReadOnlyList<Sentence> sentences, AdamOptimizer optimizer,
    VaeSettings settings)
{
    /// <summary>As in their code: the loss is looked at every so many steps, and there are no more than so many.
    /// </summary>
    private const int Window = 15;
    private const int Most = 99;

    /// <param name="batch">The step's texts.</param>
    /// <param name="key">Of the step.</param>
    /// <param name="weight">Of the divergence.</param>
    /// <returns>How many steps there were.</returns>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    public int Run(IReadOnlyList<Sentence> batch, ulong key, double weight, float learningRate)
    {
        var (before, loss, words) = (double.PositiveInfinity, 0.0, 0L);
        for (var step = 1; step <= Most; step++)
        {
            var keyOfStep = CounterRandom.Bits(CounterRandom.Key(key, Purpose.EncoderSteps), (ulong)step);
            loss += Step(batch, keyOfStep, weight, learningRate);
            words += batch.Sum(sentence => (long)sentence.Count);
            if (step % Window == 0)
            {
                var current = loss / words;
                if (current >= before)
                    return step;
                (before, loss, words) = (current, 0, 0);
            }

            batch = Others(keyOfStep);
        }

        return Most;
    }

    /// <returns>The loss of all texts together.</returns>
    private double Step(IReadOnlyList<Sentence> batch, ulong key, double weight, float learningRate)
    {
        var dropout = new DropoutKeys(CounterRandom.Key(key, Purpose.Dropout), settings.Dropout, attentionRate: 0);
        var (sums, done) = (default(VaeSums), 0);
        foreach (var part in MicroBatches.Split(batch, sentence => sentence.Count))
        {
            sums = sums.Plus(pass.Forward(part, done, key, weight, 1f / batch.Count, dropout));
            done += part.Count;
            tape.Backward();
            tape.Reset();
        }

        optimizer.Step(learningRate);
        foreach (var parameter in model.Decoder) // It stays where it is.
            tape.Backend.Fill(parameter.Gradient, 0f);
        return sums.Reconstruction + (weight * sums.Divergence);
    }

    private List<Sentence> Others(ulong key)
    {
        var ofTexts = CounterRandom.Key(key, Purpose.Texts);
        return
        [
            .. Enumerable.Range(0, Math.Min(settings.BatchSize, sentences.Count)).Select(
                i => sentences[(int)(CounterRandom.Uniform(ofTexts, (ulong)i) * sentences.Count)])
        ];
    }
}
