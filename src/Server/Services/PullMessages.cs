using System.Threading.Channels;
using Serving.Hub;
using Serving.Hub.Sources;

namespace Serving.Server.Services;

/// <summary>A pull as messages; what nobody has read yet of its progress gives way to newer.</summary>
internal sealed class PullMessages : IProgress<PullProgress>
{
    private const int MostWaiting = 16;

    private readonly Channel<V1.PullProgress> _waiting = Channel.CreateBounded<V1.PullProgress>(
        new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.DropOldest });

    public static PullRequest Request(V1.PullModelRequest request) => new(request.Source)
    {
        Revision = request.Revision,
        Name = request.Model,
        Replace = request.Replace,
        Load = !request.NoLoad
    };

    public static V1.PulledModel Pulled(PullResult result, V1.Model model) => new()
    {
        Model = model,
        IsNew = result.IsNew,
        Source = result.Origin.Source,
        Revision = result.Origin.Revision,
        License = result.Origin.License,
        Tasks = { result.Tasks }
    };

    public void Report(PullProgress value) => _waiting.Writer.TryWrite(new()
    {
        Phase = value.Phase switch
        {
            PullPhase.Resolving => V1.PullPhase.Resolving,
            PullPhase.Downloading => V1.PullPhase.Downloading,
            PullPhase.Converting => V1.PullPhase.Converting,
            PullPhase.Checking => V1.PullPhase.Checking,
            _ => V1.PullPhase.Loading
        },
        File = value.File,
        Bytes = value.Bytes,
        TotalBytes = value.TotalBytes,
        Note = value.Note
    });

    /// <summary>What is reported, until the pull is over.</summary>
    public IAsyncEnumerable<V1.PullProgress> ReadAllAsync() => _waiting.Reader.ReadAllAsync();

    /// <summary>A pull, after whose end nothing is reported.</summary>
    public async Task<PullResult> UntilAsync(Task<PullResult> pulling)
    {
        try
        {
            return await pulling;
        }
        finally
        {
            _waiting.Writer.Complete();
        }
    }
}
