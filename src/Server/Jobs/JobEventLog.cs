using System.Runtime.CompilerServices;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Serving.Server.Jobs;

/// <summary>What happened to a job: an append-only file with one event a line.</summary>
/// <remarks>
/// An event is written before anybody sees it. A line that a killed server left unfinished is cut off.
/// </remarks>
internal sealed class JobEventLog
{
    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isClosed;

    public JobEventLog(string path, TimeProvider time)
    {
        _path = path;
        _time = time;
        if (!File.Exists(path))
            return;
        var bytes = File.ReadAllBytes(path);
        Count = bytes.AsSpan().Count((byte)'\n');
        var whole = bytes.AsSpan().LastIndexOf((byte)'\n') + 1;
        if (whole == bytes.Length)
            return;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write);
        file.SetLength(whole);
    }

    public long Count { get; private set; }

    /// <summary>Adds an event; its number and time are filled in.</summary>
    public void Add(V1.JobEvent added)
    {
        lock (_gate)
        {
            added.Number = Count + 1;
            added.Time = Timestamp.FromDateTimeOffset(_time.GetUtcNow());
            var line = Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(added) + "\n");
            using (var file = new FileStream(_path, FileMode.Append, FileAccess.Write, FileShare.Read))
                file.Write(line);
            Count++;
            Notify();
        }
    }

    /// <summary>Lets those who wait look again; closed, they end where the log does.</summary>
    public void SetClosed(bool isClosed)
    {
        lock (_gate)
        {
            _isClosed = isClosed;
            Notify();
        }
    }

    /// <summary>Events behind a cursor: those that are there, then those that come, until the log is closed.</summary>
    public async IAsyncEnumerable<V1.JobEvent> ReadAsync(
        long cursor, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            long count;
            bool isClosed;
            Task changed;
            lock (_gate)
                (count, isClosed, changed) = (Count, _isClosed, _changed.Task);
            if (cursor < count)
            {
                foreach (var line in File.ReadLines(_path).Skip((int)cursor).Take((int)(count - cursor)))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    yield return JsonParser.Default.Parse<V1.JobEvent>(line);
                }

                cursor = count;
            }
            else if (isClosed)
            {
                yield break;
            }
            else
            {
                await changed.WaitAsync(cancellationToken);
            }
        }
    }

    private void Notify()
    {
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
