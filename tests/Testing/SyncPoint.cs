namespace Serving.Testing;

/// <summary>A place in the code under test where a thread stops until the test lets it go on.</summary>
public sealed class SyncPoint
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when a thread stands here.</summary>
    public Task ReachedAsync() => _reached.Task.Within();

    /// <summary>Lets the thread go on, and any that come later.</summary>
    public void Release() => _released.TrySetResult();

    /// <summary>Stops the calling thread here.</summary>
    public void Reach()
    {
        _reached.TrySetResult();
        _released.Task.Within().GetAwaiter().GetResult();
    }
}
