using Serving.Tensors;

namespace Serving.Training.Pretraining;

/// <summary>Permutes, replaces or inserts a tenth of the tokens (Aroca-Ouellette and Rudzicz 2020).</summary>
internal sealed class TokenCorrupter(TokenMasker masker)
{
    private const double Share = 0.1;
    private const int Fewest = 2;

    /// <summary>Corrupts in half of the inputs where the input's class is asked for, else in all.</summary>
    /// <param name="pieces">The tokens of all segments; changed in place, as many as before.</param>
    /// <param name="classes">Gets the class of the input, if it is asked for.</param>
    public void Corrupt(
        List<Piece> pieces, int segments, IReadOnlySet<Objective> objectives,
        Dictionary<Objective, Targets<int>> classes, ulong key)
    {
        var ofInput = objectives.Contains(Objective.SentenceCorruption);
        if (!ofInput && !objectives.Contains(Objective.TokenCorruption))
            return;
        var isCorrupted = !ofInput || CounterRandom.Uniform(key, 0) < 0.5;
        if (ofInput)
            classes[Objective.SentenceCorruption] = new([0], [isCorrupted ? 1 : 0]);
        if (!isCorrupted)
            return;
        var count = Math.Min(pieces.Count, Math.Max(Fewest, (int)Math.Round(Share * pieces.Count)));
        int[] chosen = [.. CounterRandom.Permutation(pieces.Count, CounterRandom.Bits(key, 1)).Take(count)];
        var random = CounterRandom.Key(key, 2);
        switch ((int)(CounterRandom.Uniform(key, 3) * 3))
        {
            case 0:
                Permute(pieces, chosen);
                break;
            case 1:
                for (var i = 0; i < count; i++)
                    Put(pieces, chosen[i], masker.Ordinary(CounterRandom.Uniform(random, (ulong)i)));
                break;
            default:
                Insert(pieces, chosen, segments, random);
                break;
        }
    }

    /// <summary>Each takes the next one's token; the places are in random order.</summary>
    private static void Permute(List<Piece> pieces, int[] chosen)
    {
        var moved = chosen.Select(at => pieces[at].Id).ToArray();
        for (var i = 0; i < chosen.Length; i++)
            Put(pieces, chosen[i], moved[(i + 1) % chosen.Length]);
    }

    /// <summary>Inserts tokens; at the end, as many are lost.</summary>
    private void Insert(List<Piece> pieces, int[] chosen, int segments, ulong random)
    {
        var length = pieces.Count;
        foreach (var (at, i) in chosen.Select((at, i) => (at, i)).OrderByDescending(entry => entry.at))
        {
            pieces.Insert(at, pieces[at] with
            {
                Id = masker.Ordinary(CounterRandom.Uniform(random, (ulong)i)),
                IsCorrupted = true
            });
        }

        pieces.RemoveRange(length, pieces.Count - length);
        for (var type = segments - 1; type > 0 && !pieces.Exists(piece => piece.Type == type); type--)
            pieces[^type] = pieces[^type] with { Type = type }; // A short last segment keeps a token.
    }

    private static void Put(List<Piece> pieces, int at, int id) =>
        pieces[at] = pieces[at] with { Id = id, IsCorrupted = pieces[at].Id != id };
}
