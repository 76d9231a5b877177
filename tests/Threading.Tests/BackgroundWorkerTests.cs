namespace Serving.Threading.Tests;

public sealed class BackgroundWorkerTests
{
    [Fact]
    public async Task Run_ManyPieces_RunsThemInOrderOnOneThread()
    {
        var order = new List<(int Piece, int Thread)>();
        using var worker = new BackgroundWorker();
        var pieces = Enumerable.Range(0, 100).Select(piece => worker.RunAsync(() =>
        {
            order.Add((piece, Environment.CurrentManagedThreadId));
            return piece;
        })).ToArray();

        Assert.Equal(Enumerable.Range(0, 100), await Task.WhenAll(pieces));
        Assert.Equal(Enumerable.Range(0, 100), order.Select(entry => entry.Piece));
        Assert.Single(order.Select(entry => entry.Thread).Distinct());
    }

    [Fact]
    public async Task Run_PieceThatFails_FailsItsTaskAndNotTheNext()
    {
        using var worker = new BackgroundWorker();
        var failing = worker.RunAsync<int>(() => throw new InvalidOperationException("first"));
        Assert.Equal("first", (await Assert.ThrowsAsync<InvalidOperationException>(() => failing)).Message);
        Assert.Equal(2, await worker.RunAsync(() => 2));
    }

    [Fact]
    public async Task Dispose_FinishesWhatWaits()
    {
        var worker = new BackgroundWorker();
        var piece = worker.RunAsync(() => 1);
        worker.Dispose();
        Assert.Equal(1, await piece);
        Assert.Throws<ObjectDisposedException>(() => { _ = worker.RunAsync(() => 2); });
    }
}
