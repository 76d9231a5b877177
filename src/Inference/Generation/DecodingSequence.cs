using Serving.Decoding;
using Serving.Inference.Scheduling;
using Serving.Models.Decoders;

namespace Serving.Inference.Generation;

/// <summary>A sequence in the decoder: its tokens, those of them in the cache, and its part of the next step.</summary>
/// <remarks>
/// A prompt, a part of one and a token that was just generated are the same: tokens that are not in the cache yet.
/// </remarks>
/// <param name="mostTokens">That it may come to.</param>
/// <param name="blockTokens">Of a block of the cache.</param>
internal abstract class DecodingSequence(WorkItem item, string caller, int mostTokens, int blockTokens) : IWorkUnit
{
    private bool _hasRestarted;

    public WorkItem Item { get; } = item;

    public string FairKey { get; } = caller;

    /// <summary>Blocks of the cache that it may come to need.</summary>
    public int Blocks { get; } = (mostTokens + blockTokens - 1) / blockTokens;

    /// <summary>The tokens that it may come to, and those of what joins with it.</summary>
    public int Tokens => mostTokens * Branches;

    /// <summary>The tokens that the blocks of all of them hold.</summary>
    public int Room => Blocks * BlockTokens * Branches;

    public int Branches => 1 + Others.Count;

    /// <summary>Whether it waits in the queue itself.</summary>
    public virtual bool IsUnit => true;

    /// <summary>What joins when it does, of the same item and as long.</summary>
    public virtual IReadOnlyList<DecodingSequence> Others => [];

    /// <summary>Whether its tokens are not those any more that its blocks were computed of.</summary>
    public virtual bool IsReplaced => false;

    public bool NeedsWholeDevice => false; // A step may, of whatever sequences it is.

    public CachedSequence Cache { get; } = new(blockTokens);

    /// <summary>When it began to run, as a timestamp; null while it is queued.</summary>
    public long? Began { get; set; }

    /// <summary>How many of its blocks are full, and known for what they hold.</summary>
    public int KnownBlocks { get; private set; }

    /// <summary>What those hold, as a number; see <see cref="Prefixes"/>.</summary>
    public long Prefix { get; private set; } = Prefixes.Empty;

    /// <summary>How many of its tokens others had computed before it began.</summary>
    public int SharedTokens { get; private set; }

    /// <summary>Whether an answer of it is being written.</summary>
    public virtual bool IsWriting => false;

    /// <summary>Up to where its tokens need not be computed, if others have: logits are of its own.</summary>
    public int MostShared => FirstWanted;

    /// <summary>Whether another is about to compute what it begins with.</summary>
    public virtual bool Waits => false;

    /// <summary>How many of its tokens are not in the cache.</summary>
    public int Left => All.Length - Cache.Tokens;

    /// <summary>How many of them are in the next step.</summary>
    public int Planned { get; private set; }

    /// <summary>Which of those want logits.</summary>
    public LogitRows Rows { get; private set; }

    /// <summary>How many that are.</summary>
    public int RowCount => Rows switch
    {
        LogitRows.None => 0,
        LogitRows.Last => 1,
        _ => Planned
    };

    /// <summary>What it adds to the next step.</summary>
    public ReadOnlySpan<int> Next => All.Slice(Cache.Tokens, Planned);

    /// <summary>Whether nothing of it is left to be done.</summary>
    public abstract bool IsDone { get; }

    /// <summary>Tokens of a block of the cache.</summary>
    protected int BlockTokens { get; } = blockTokens;

    /// <summary>Its tokens so far that the decoder is to read.</summary>
    protected abstract ReadOnlySpan<int> All { get; }

    /// <summary>The first of them of which logits are wanted, and of all behind it.</summary>
    protected abstract int FirstWanted { get; }

    /// <summary>The tokens of one of its blocks.</summary>
    public ReadOnlySpan<int> Block(int index) => All.Slice(index * BlockTokens, BlockTokens);

    /// <summary>Notes that its next full block is known.</summary>
    /// <param name="prefix">The number of what it ends with.</param>
    public void NoteKnown(long prefix, bool isShared)
    {
        Prefix = prefix;
        KnownBlocks++;
        if (isShared && !_hasRestarted)
            SharedTokens += BlockTokens;
    }

    /// <summary>Begins anew, without blocks.</summary>
    public virtual void Restart()
    {
        _hasRestarted = true;
        Cache.Clear();
        KnownBlocks = 0;
        Prefix = Prefixes.Empty;
    }

    /// <summary>Decides on its part of the next step.</summary>
    /// <param name="tokens">At most, 1 or more.</param>
    /// <param name="rows">Logits, the same.</param>
    public void Plan(int tokens, int rows)
    {
        var done = Cache.Tokens;
        Planned = Math.Min(tokens, Left);
        if (done + Planned <= FirstWanted)
        {
            Rows = LogitRows.None;
        }
        else if (FirstWanted == All.Length - 1)
        {
            Rows = LogitRows.Last;
        }
        else if (done < FirstWanted) // Up to there first: a step has logits of all its tokens, or of the last.
        {
            Planned = FirstWanted - done;
            Rows = LogitRows.None;
        }
        else
        {
            Planned = Math.Min(Planned, rows);
            Rows = LogitRows.All;
        }
    }

    /// <summary>Takes the logits of the next token that wants them.</summary>
    /// <param name="logits">[vocab]; may be changed.</param>
    /// <exception cref="LogitsException">They are no numbers, or no token can be chosen.</exception>
    public abstract void Take(Span<float> logits, SamplingWorkspace workspace);
}
