using System.Runtime.InteropServices;
using Serving.Tensors;
using Serving.Text.Bert;

namespace Serving.Models.Bert;

/// <summary>Sequences, and branches of them: what each task wants to know of which sequence. Reusable.</summary>
/// <remarks>
/// Sequences run once through the layers that no branch masks; from the first masked layer on, each branch runs by
/// itself. Branches of one task are best added one after another: they share the loading of its masks. Those that want
/// BERT's pooler come before the others.
/// </remarks>
public sealed class BertBatch
{
    private readonly List<TokenIds> _tokens = [];
    private readonly List<int> _sequenceOffsets = [0];
    private readonly List<int> _branchOffsets = [0];
    private readonly List<int> _outputOffsets = [0];
    private readonly List<BertBranch> _branches = [];

    public int SequenceCount => _sequenceOffsets.Count - 1;

    public int BranchCount => _branches.Count;

    /// <summary>Tokens of all sequences.</summary>
    public int SequenceTokens => _tokens.Count;

    /// <summary>Tokens of all branches.</summary>
    public int BranchTokens => _branchOffsets[^1];

    /// <summary>
    /// Where each branch's last hidden states begin among those of all, and the end of the last: those of all its
    /// tokens, or that of [CLS] alone where no other is needed.
    /// </summary>
    public ReadOnlySpan<int> OutputOffsets => CollectionsMarshal.AsSpan(_outputOffsets);

    internal ReadOnlySpan<TokenIds> Tokens => CollectionsMarshal.AsSpan(_tokens);

    internal ReadOnlySpan<int> SequenceOffsets => CollectionsMarshal.AsSpan(_sequenceOffsets);

    internal ReadOnlySpan<int> BranchOffsets => CollectionsMarshal.AsSpan(_branchOffsets);

    internal ReadOnlySpan<BertBranch> Branches => CollectionsMarshal.AsSpan(_branches);

    /// <summary>How many branches, the first ones, go through BERT's pooler.</summary>
    internal int PoolerCount { get; private set; }

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
        PoolerCount = 0;
        _sequenceOffsets.RemoveRange(1, _sequenceOffsets.Count - 1);
        _branchOffsets.RemoveRange(1, _branchOffsets.Count - 1);
        _outputOffsets.RemoveRange(1, _outputOffsets.Count - 1);
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
    /// <param name="pooling">What its vector is made of.</param>
    /// <param name="wantsTokens">Whether the last hidden states of all its tokens are wanted, too.</param>
    /// <returns>Its index: the row of the result.</returns>
    /// <exception cref="ArgumentException">It wants the pooler, and a branch before it does not.</exception>
    public int AddBranch(
        int sequence, BertMasks? masks, Pooling pooling = Pooling.Pooler, bool wantsTokens = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sequence);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sequence, SequenceCount);
        if (pooling == Pooling.Pooler)
        {
            if (PoolerCount != BranchCount)
                throw new ArgumentException("Branches that want the pooler come before the others.", nameof(pooling));
            PoolerCount++;
        }

        var tokens = _sequenceOffsets[sequence + 1] - _sequenceOffsets[sequence];
        _branches.Add(new(sequence, masks, pooling));
        _branchOffsets.Add(BranchTokens + tokens);
        _outputOffsets.Add(_outputOffsets[^1] + (wantsTokens || pooling == Pooling.Mean ? tokens : 1));
        return BranchCount - 1;
    }
}

/// <param name="Sequence">The index of its sequence.</param>
internal readonly record struct BertBranch(int Sequence, BertMasks? Masks, Pooling Pooling);
