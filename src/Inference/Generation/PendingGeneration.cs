using System.Threading.Channels;
using Serving.Inference.Scheduling;

namespace Serving.Inference.Generation;

/// <summary>A prompt in the engine; each of its answers is a sequence.</summary>
internal sealed class PendingGeneration : WorkItem
{
    // Holds no more parts than the answers have tokens, and their ends.
    private readonly Channel<GenerationPart> _parts =
        Channel.CreateUnbounded<GenerationPart>(new() { SingleReader = true });

    private readonly TimeProvider _time;
    private readonly long _began;
    private int _isOver;
    private long _firstToken;

    public PendingGeneration(GenerationRequest request, TimeProvider time)
        : base(request.Priority, request.Deadline, time)
    {
        _time = time;
        _began = time.GetTimestamp();
    }

    public ChannelReader<GenerationPart> Parts => _parts.Reader;

    public TimeSpan TimeToFirstToken => new(Interlocked.Read(ref _firstToken));

    public override bool IsOver => Volatile.Read(ref _isOver) != 0;

    /// <summary>How long ago it came.</summary>
    public TimeSpan Elapsed => _time.GetElapsedTime(_began);

    /// <summary>Gives a part to whoever reads; nothing comes of it once the request is over.</summary>
    public void Write(GenerationPart part) => _parts.Writer.TryWrite(part);

    /// <summary>Tokens of the prompt that others had computed, as the first answer found it.</summary>
    public int SharedTokens { get; private set; }

    /// <summary>Notes that an answer has its first token.</summary>
    /// <returns>Whether no other answer had one before.</returns>
    public bool NoteToken(TimeSpan elapsed, int sharedTokens)
    {
        if (Interlocked.CompareExchange(ref _firstToken, Math.Max(1, elapsed.Ticks), comparand: 0) != 0)
            return false;
        SharedTokens = sharedTokens;
        return true;
    }

    public override void Fail(Exception exception) => TryEnd(exception);

    protected override void Complete() => TryEnd(exception: null);

    protected override bool TryCancel(CancellationToken token) => TryEnd(new OperationCanceledException(token));

    private bool TryEnd(Exception? exception)
    {
        if (Interlocked.Exchange(ref _isOver, 1) != 0)
            return false;
        _parts.Writer.TryComplete(exception);
        return true;
    }
}
