using Serving.Tensors;
using Serving.Text.Bert;

namespace Serving.Models.Bert;

/// <summary>Sequences, and branches of them: what each task wants to know of which sequence. Reusable.</summary>
/// <remarks>
/// Sequences run once through the layers that no branch masks; from the first masked layer on, each branch runs by
/// itself. Branches of one task are best added one after another: they share the loading of its masks.
/// </remarks>
public sealed class BertBatch
{
    private readonly List<TokenIds> _tokens = [];
    private readonly List<int> _sequenceOffsets = [0];
    private readonly List<int> _branchOffsets = [0];
    private readonly List<(int Sequence, BertMasks? Masks)> _branches = [];

    public int SequenceCount => _sequenceOffsets.Count - 1;

    public int BranchCount => _branches.Count;

    /// <summary>Tokens of all sequences.</summary>
    public int SequenceTokens => _tokens.Count;

    /// <summary>Tokens of all branches.</summary>
    public int BranchTokens => _branchOffsets[^1];

    internal ReadOnlySpan<TokenIds> Tokens => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_tokens);

    internal ReadOnlySpan<int> SequenceOffsets =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_sequenceOffsets);

    internal ReadOnlySpan<int> BranchOffsets =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_branchOffsets);

    internal ReadOnlySpan<(int Sequence, BertMasks? Masks)> Branches =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_branches);

    /// <summary>Whether branch i is sequence i, for all of them: then nothing needs copying.</summary>
    internal bool IsOneToOne
    {
        get
        {
            if (BranchCount != SequenceCount)
                return false;
            for (var i = 0; i < _branches.Count; i++)
            {
                if (_branches[i].Sequence != i)
                    return false;
            }

            return true;
        }
    }

    public void Clear()
    {
        _tokens.Clear();
        _branches.Clear();
        _sequenceOffsets.RemoveRange(1, _sequenceOffsets.Count - 1);
        _branchOffsets.RemoveRange(1, _branchOffsets.Count - 1);
    }

    /// <summary>Adds a sequence, with its special tokens.</summary>
    /// <returns>Its index.</returns>
    public int AddSequence(TokenSequence sequence)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sequence.Tokens.Count);
        for (var position = 0; position < sequence.Tokens.Count; position++)
        {
            var token = sequence.Tokens[position];
            _tokens.Add(new(token.Id, position, token.Type));
        }

        _sequenceOffsets.Add(_tokens.Count);
        return SequenceCount - 1;
    }

    /// <summary>Adds what a task wants to know of a sequence.</summary>
    /// <param name="masks">The task's; null for the backbone as it is.</param>
    /// <returns>Its index: the row of the result.</returns>
    public int AddBranch(int sequence, BertMasks? masks)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sequence);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sequence, SequenceCount);
        _branches.Add((sequence, masks));
        _branchOffsets.Add(BranchTokens + _sequenceOffsets[sequence + 1] - _sequenceOffsets[sequence]);
        return BranchCount - 1;
    }
}
