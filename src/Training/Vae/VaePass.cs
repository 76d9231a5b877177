using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Layers;
using Purpose = Serving.Training.RandomPurposes.Vae;

namespace Serving.Training.Vae;

/// <summary>Sums over texts, in nats.</summary>
/// <param name="Reconstruction">-ln p(x|z)</param>
/// <param name="Divergence">KL(q(z|x) ‖ p(z))</param>
internal readonly record struct VaeSums(double Reconstruction, double Divergence)
{
    public VaeSums Plus(VaeSums other) =>
        new(Reconstruction + other.Reconstruction, Divergence + other.Divergence);
}

/// <summary>Runs texts forward in training: encoder, a draw, decoder, loss.</summary>
internal sealed class VaePass(Tape tape, VaeModel model, VaeSettings settings)
{
    /// <param name="first">The number of the first text in its step.</param>
    /// <param name="key">Of the step: noise and dropped words follow from it.</param>
    /// <param name="weight">Of the divergence.</param>
    /// <param name="scale">What gradients are multiplied by.</param>
    public VaeSums Forward(
        IReadOnlyList<Sentence> part, int first, ulong key, double weight, float scale, DropoutKeys dropout)
    {
        var batch = new SentenceBatch(part);
        var latent = model.Config.Latent;
        var ofNoise = CounterRandom.Key(key, Purpose.Noise);
        double[] noise =
        [
            .. Enumerable.Range(first * latent, part.Count * latent).Select(
                i => CounterRandom.Normal(ofNoise, (ulong)i))
        ];
        var z = tape.Latent(
            model.Encode(tape, batch), noise, weight * scale, settings.FreeNats, out var posterior);
        var hidden = model.Decode(
            tape, batch, Dropped(part, first, CounterRandom.Key(key, Purpose.Words)), z, dropout);
        var reconstruction = tape.Read(sum => tape.VocabularyLoss(hidden, model.Output, (logits, row) =>
            tape.Backend.SoftmaxCrossEntropy(
                logits, tape.Indices(batch.Labels.AsSpan(row, logits.Rows)), scale, logits, sum)));
        return new(reconstruction, Enumerable.Range(0, part.Count).Sum(posterior.Divergence));
    }

    /// <summary>The inputs; in the place of a word that is dropped is the end of text.</summary>
    private int[] Dropped(IReadOnlyList<Sentence> part, int first, ulong key)
    {
        var end = model.Config.EndToken!.Value;
        return
        [
            .. part.SelectMany((sentence, i) =>
            {
                var ofSentence = CounterRandom.Bits(key, (ulong)(first + i));
                return sentence.Tokens[..^1].Select((token, at) =>
                    at > 0 && CounterRandom.Uniform(ofSentence, (ulong)at) < settings.WordDropout ? end : token);
            })
        ];
    }
}
