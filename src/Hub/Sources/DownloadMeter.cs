namespace Serving.Hub.Sources;

/// <summary>Counts what is downloaded and tells it, a few times a second at most.</summary>
internal sealed class DownloadMeter(IProgress<PullProgress> progress, TimeProvider time)
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(200);

    private string _file = "";
    private long _bytes;
    private long _told;

    /// <summary>Of all files that are known; 0 for not known.</summary>
    public long TotalBytes { get; set; }

    public void Begin(string file)
    {
        _file = file;
        Tell();
    }

    public void Add(long bytes)
    {
        _bytes += bytes;
        if (time.GetElapsedTime(_told) >= Pace || _bytes == TotalBytes)
            Tell();
    }

    /// <summary>Says why nothing comes.</summary>
    public void Tell(string note = "")
    {
        _told = time.GetTimestamp();
        progress.Report(new(PullPhase.Downloading, _file, _bytes, TotalBytes, note));
    }
}
