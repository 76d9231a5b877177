using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Serving.Jobs.Records;
using Serving.Storage;

namespace Serving.Jobs.Store;

/// <summary>What happened to a job: an append-only file with one event a line.</summary>
/// <remarks>
/// An event is flushed to disk before anybody sees it. A line that was left unfinished is cut off.
/// </remarks>
internal sealed class JobEventLog
{
    private const int EventsPerMark = 64;

    private readonly string _path;
    private readonly IFileSystem _files;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly List<long> _marks = [0]; // Where the first of each so many events begins.
    private long _bytes;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isClosed;
    private bool _isTorn; // Something that is no event stands at the end.

    public JobEventLog(string path, IFileSystem files, TimeProvider time)
    {
        _path = path;
        _files = files;
        _time = time;
        if (!File.Exists(path))
            return;
        var bytes = File.ReadAllBytes(path);
        for (int end; (end = bytes.AsSpan((int)_bytes).IndexOf((byte)'\n')) >= 0;)
        {
            LastState = StateOf(bytes.AsSpan((int)_bytes, end)) ?? LastState;
            Appended(end + 1);
        }

        _isTorn = _bytes < bytes.Length && !TryCutOff();
    }

    public long Count { get; private set; }

    /// <summary>The last state that an event tells of.</summary>
    public JobState LastState { get; private set; }

    /// <summary>Adds an event; its number and time are filled in.</summary>
    public void Add(JobEvent added)
    {
        lock (_gate)
        {
            byte[] line =
            [
                .. JobJson.ToBytes(added with { Number = Count + 1, Time = _time.GetUtcNow() }), (byte)'\n'
            ];
            Append(line);

            if (Count == 0)
                _files.FlushFolder(Path.GetDirectoryName(_path)!); // The file is new.
            Appended(line.Length);
            LastState = added.State ?? LastState;
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
    public async IAsyncEnumerable<JobEvent> ReadAsync(
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
                foreach (var line in Lines(cursor, count))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    yield return JobJson.Read<JobEvent>(Encoding.UTF8.GetBytes(line));
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

    /// <summary>The lines of some events, from the mark before the first on.</summary>
    private IEnumerable<string> Lines(long first, long end)
    {
        long begin;
        lock (_gate)
            begin = _marks[(int)(first / EventsPerMark)];
        using var file = new FileStream(
            _path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Position = begin;
        using var reader = new StreamReader(file);
        for (var number = first - (first % EventsPerMark); number < end && reader.ReadLine() is { } line; number++)
        {
            if (number >= first)
                yield return line;
        }
    }

    /// <returns>Null if the line tells of none, or is damaged: then whoever watches the job hears of it.</returns>
    private static JobState? StateOf(ReadOnlySpan<byte> line)
    {
        if (line.IndexOf("\"state\""u8) < 0)
            return null;
        try
        {
            return JobJson.Read<JobEvent>(line).State;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private void Append(byte[] line)
    {
        if (_isTorn)
            _files.Truncate(_path, _bytes);
        try
        {
            _isTorn = true;
            using (var file = _files.Append(_path))
            {
                file.Write(line);
                _files.Flush(file);
            }

            _isTorn = false;
        }
        finally
        {
            if (_isTorn) // The next event begins a line.
                _isTorn = !TryCutOff();
        }
    }

    private bool TryCutOff()
    {
        try
        {
            if (File.Exists(_path))
                _files.Truncate(_path, _bytes);
            return true;
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            return false;
        }
    }

    private void Appended(int bytes)
    {
        _bytes += bytes;
        Count++;
        if (Count % EventsPerMark == 0)
            _marks.Add(_bytes);
    }

    private void Notify()
    {
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
