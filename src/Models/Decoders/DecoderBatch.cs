using System.Runtime.InteropServices;
using Serving.Tensors;

namespace Serving.Models.Decoders;

/// <summary>Of which of its tokens a sequence wants logits.</summary>
public enum LogitRows
{
    /// <summary>A part of a prompt, with more to come.</summary>
    None,

    /// <summary>What comes next is to be chosen.</summary>
    Last,

    /// <summary>A text is to be scored.</summary>
    All
}

/// <summary>The next tokens of some sequences: prompts, parts of them, or one token each. Reusable.</summary>
public sealed class DecoderBatch
{
    private readonly List<TokenIds> _tokens = [];
    private readonly List<int> _offsets = [0];
    private readonly List<int> _logitRows = [];
    private readonly List<int> _logitOffsets = [0];
    private readonly List<CachedSequence> _sequences = [];

    /// <summary>Tokens of all sequences.</summary>
    public int TokenCount => _tokens.Count;

    public int SequenceCount => _sequences.Count;

    /// <summary>Where each sequence's logits begin among the rows of the result, and the end of the last.</summary>
    public ReadOnlySpan<int> LogitOffsets => CollectionsMarshal.AsSpan(_logitOffsets);

    internal ReadOnlySpan<TokenIds> Tokens => CollectionsMarshal.AsSpan(_tokens);

    internal ReadOnlySpan<int> Offsets => CollectionsMarshal.AsSpan(_offsets);

    internal ReadOnlySpan<int> Rows => CollectionsMarshal.AsSpan(_logitRows);

    internal ReadOnlySpan<CachedSequence> Sequences => CollectionsMarshal.AsSpan(_sequences);

    /// <summary>Notes that its sequences have its tokens now.</summary>
    internal void Append()
    {
        for (var i = 0; i < SequenceCount; i++)
            _sequences[i].Append(_offsets[i + 1] - _offsets[i]);
    }

    public void Clear()
    {
        _tokens.Clear();
        _sequences.Clear();
        _logitRows.Clear();
        _offsets.RemoveRange(1, _offsets.Count - 1);
        _logitOffsets.RemoveRange(1, _logitOffsets.Count - 1);
    }

    /// <summary>Adds a sequence, which is in the batch once.</summary>
    /// <param name="tokens">Those behind the ones that it has; at least one.</param>
    /// <returns>Its index.</returns>
    public int Add(CachedSequence sequence, ReadOnlySpan<int> tokens, LogitRows logits)
    {
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length);
        for (var i = 0; i < tokens.Length; i++)
        {
            if (logits == LogitRows.All || (logits == LogitRows.Last && i == tokens.Length - 1))
                _logitRows.Add(_tokens.Count);
            _tokens.Add(new(tokens[i], sequence.Tokens + i, 0));
        }

        _sequences.Add(sequence);
        _offsets.Add(_tokens.Count);
        _logitOffsets.Add(_logitRows.Count);
        return SequenceCount - 1;
    }
}
