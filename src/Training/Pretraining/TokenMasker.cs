using Serving.Tensors;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Training.Pretraining;

/// <summary>Hides tokens for masked language modelling (Devlin et al. 2019, sec. 3.1).</summary>
/// <remarks>15% of the tokens: of these 80% become [MASK], 10% a random token, 10% stay as they are.</remarks>
public sealed class TokenMasker
{
    private const double Rate = 0.15;
    private const double MaskShare = 0.8;
    private const double RandomShare = 0.1;

    private readonly int _mask;
    private readonly int[] _ordinary;

    /// <exception cref="VocabularyException">A special token is missing.</exception>
    public TokenMasker(Vocabulary vocabulary)
    {
        _mask = vocabulary.GetId(BertTokenizer.MaskToken);
        _ordinary = [.. Enumerable.Range(0, vocabulary.Count).Where(
            id => !(vocabulary[id].StartsWith('[') && vocabulary[id].Length > 1))];
    }

    /// <summary>Hides some tokens of a sequence, in place.</summary>
    /// <param name="ids">All of the sequence.</param>
    /// <param name="eligible">Positions that may be hidden, ascending.</param>
    /// <param name="of">How many tokens the rate is of; at least one is hidden where one is eligible.</param>
    /// <param name="key">Determines which, and what they become.</param>
    /// <returns>The hidden positions, ascending, and what was there.</returns>
    public (int[] Positions, int[] Labels) Hide(Span<int> ids, ReadOnlySpan<int> eligible, int of, ulong key)
    {
        var count = Math.Min(eligible.Length, Math.Max(1, (int)Math.Round(Rate * of)));
        int[] chosen = [.. CounterRandom.Permutation(eligible.Length, key).Take(count).Order()];
        var labels = new int[count];
        var choices = CounterRandom.Bits(key, ulong.MaxValue);
        for (var i = 0; i < count; i++)
        {
            chosen[i] = eligible[chosen[i]];
            ref var id = ref ids[chosen[i]];
            labels[i] = id;
            var share = CounterRandom.Uniform(choices, 2 * (ulong)i);
            if (share < MaskShare)
                id = _mask;
            else if (share < MaskShare + RandomShare)
                id = Ordinary(CounterRandom.Uniform(choices, (2 * (ulong)i) + 1));
        }

        return (chosen, labels);
    }

    /// <summary>A token that is not special.</summary>
    /// <param name="uniform">Decides which, in [0, 1).</param>
    public int Ordinary(double uniform) => _ordinary[(int)(uniform * _ordinary.Length)];
}
