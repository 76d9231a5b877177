using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;

namespace Serving.Training.Pretraining;

/// <summary>Last hidden states of some tokens, found by sequence and position.</summary>
internal sealed class HiddenStates
{
    private readonly Tape _tape;
    private readonly Variable _hidden;
    private readonly SequenceBatch _batch;
    private readonly int[] _rowOf;

    /// <param name="hidden">[rows, hidden]</param>
    /// <param name="rows">The tokens of the batch that the states are of, ascending.</param>
    public HiddenStates(Tape tape, Variable hidden, List<int> rows, SequenceBatch batch)
    {
        (_tape, _hidden, _batch) = (tape, hidden, batch);
        _rowOf = new int[batch.Tokens.Length];
        for (var row = 0; row < rows.Count; row++)
            _rowOf[rows[row]] = row;
    }

    /// <summary>Tokens of a sequence.</summary>
    public int Length(int sequence) => _batch.Offsets[sequence + 1] - _batch.Offsets[sequence];

    /// <summary>States of some positions of each sequence.</summary>
    /// <param name="shift">Added to each position.</param>
    /// <returns>[positions, hidden]</returns>
    public Variable At(
        List<PretrainingSequence> sequences, Func<PretrainingSequence, int[]> positions, int shift = 0) =>
        At([.. sequences.SelectMany((sequence, i) => positions(sequence).Select(at => (i, at + shift)))]);

    /// <summary>[places, hidden]; without a copy where all states are asked for in their order.</summary>
    public Variable At(IReadOnlyList<(int Sequence, int Position)> places)
    {
        int[] rows = [.. places.Select(place => _rowOf[_batch.Offsets[place.Sequence] + place.Position])];
        var isAll = rows.Length == _hidden.Value.Rows && rows.Index().All(entry => entry.Index == entry.Item);
        return isAll ? _hidden : _tape.GatherRows(_hidden, _tape.Indices(rows));
    }
}
