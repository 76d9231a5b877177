using Microsoft.AspNetCore.Http;
using Serving.Models;
using Serving.Storage;
using Serving.Testing;

namespace Serving.Hub.Tests.HuggingFace;

/// <summary>Downloads over connections that break, from hubs that are busy, and from such that lie.</summary>
public sealed class DownloadTests
{
    private const int Sent = 100_000; // Of the weights' 251,104 bytes.

    [Fact]
    public async Task ConnectionThatBreaksOff_IsGoneOnWithByRange()
    {
        await using var pull = await PullFixture.StartAsync();
        var breaks = 3;
        pull.Hub.Instead = context => IsLarge(pull, context) && breaks-- > 0
            ? SendPartAsync(pull, context)
            : Task.FromResult(false);

        await pull.PullAsync();
        var ranges = Ranges(pull);
        Assert.Equal(4, ranges.Count);
        Assert.Equal("", ranges[0]);
        Assert.Equal(ranges.Order(StringComparer.Ordinal), ranges); // Each begins later: "bytes=100000-" and so on.
        Assert.Equal(4, ranges.Distinct().Count());
        Assert.All(pull.Time.Pauses, pause => Assert.Equal(TimeSpan.FromSeconds(1), pause)); // There was progress.
        Assert.Contains(pull.Reported, progress => progress.Note.Contains("trying again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task PullThatWasInterrupted_IsGoneOnWith_AlsoAfterARestart()
    {
        await using var pull = await PullFixture.StartAsync();
        using var cancel = new CancellationTokenSource();
        pull.Hub.Instead = async context =>
        {
            if (!IsLarge(pull, context))
                return false;
            await SendBeginningAsync(context);
            await Eventually.TrueAsync(() => IsWritten(pull, Sent), "what was sent is written");
            await cancel.CancelAsync();
            await AbortedAsync(context);
            return true;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => pull.PullAsync(cancellationToken: cancel.Token));
        Assert.Empty(pull.Models.Names);
        Assert.Equal([".pulling-tiny-bert"], pull.Folders());

        pull.Hub.Instead = _ => Task.FromResult(false);
        pull.Open();
        var before = pull.Hub.Requests.Count;
        await pull.PullAsync();
        Assert.Equal(["", $"bytes={Sent}-"], Ranges(pull));
        Assert.DoesNotContain(
            pull.Hub.Requests.Skip(before), request => request.Path.EndsWith("vocab.txt", StringComparison.Ordinal));
        Assert.Equal(["tiny-bert"], pull.Folders());
    }

    [Fact]
    public async Task HubThatIgnoresRanges_SendsAllAgain()
    {
        await using var pull = await PullFixture.StartAsync();
        var breaks = 1;
        pull.Hub.Instead = context =>
        {
            if (!IsLarge(pull, context))
                return Task.FromResult(false);
            if (breaks-- > 0)
                return SendPartAsync(pull, context);
            context.Request.Headers.Remove("Range");
            return Task.FromResult(false);
        };
        Assert.True((await pull.PullAsync()).IsNew);
    }

    [Fact]
    public async Task PartThatIsDamaged_IsDownloadedAnew()
    {
        await using var pull = await PullFixture.StartAsync();
        var breaks = true;
        pull.Hub.Instead = context => IsLarge(pull, context) && breaks
            ? SendPartAsync(pull, context, empty: pull.Time.Pauses.Count > 0)
            : Task.FromResult(false);
        await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        var part = Assert.Single(Parts(pull));
        var bytes = await File.ReadAllBytesAsync(part);
        Assert.Equal(Sent, bytes.Length);
        bytes[7] ^= 1;
        await File.WriteAllBytesAsync(part, bytes);

        breaks = false;
        Assert.True((await pull.PullAsync()).IsNew);
        Assert.Equal([$"bytes={Sent}-", ""], Ranges(pull).TakeLast(2));
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("vocab.txt")]
    public async Task FileThatIsAnotherThanListed_IsRefused_AndNothingOfItStays(string name)
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Hub.Instead = async context =>
        {
            var isIt = name == ModelFiles.Weights
                ? IsLarge(pull, context)
                : context.Request.Path.Value!.EndsWith(name, StringComparison.Ordinal);
            if (!isIt)
                return false;
            var bytes = PullFixture.GoldenFiles()[name];
            bytes[^2] ^= 1;
            await LoopbackHub.SendAsync(context, bytes);
            return true;
        };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal((ErrorKind.Corrupted, name), (error.Kind, error.Subject));
        Assert.Contains("digest", error.Message, StringComparison.Ordinal);
        Assert.Empty(pull.Models.Names);
        Assert.Empty(Parts(pull));
    }

    [Theory]
    [InlineData(-1, true)]
    [InlineData(1, true)]
    [InlineData(-1, false)]
    public async Task FileThatIsLongerOrShorterThanListed_IsRefused(int more, bool saysHowLong)
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Hub.Instead = async context =>
        {
            if (!IsLarge(pull, context))
                return false;
            var bytes = PullFixture.GoldenFiles()[ModelFiles.Weights];
            Array.Resize(ref bytes, bytes.Length - more);
            if (saysHowLong)
                context.Response.ContentLength = bytes.Length;
            await context.Response.Body.WriteAsync(bytes);
            return true;
        };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal((ErrorKind.Corrupted, ModelFiles.Weights), (error.Kind, error.Subject));
        Assert.Contains("251104 bytes", error.Message, StringComparison.Ordinal);
        Assert.Empty(Parts(pull));
    }

    [Fact]
    public async Task HubThatIsBusy_IsAskedAgainWhenItSays()
    {
        await using var pull = await PullFixture.StartAsync();
        var refusals = new Queue<string>(["7", "Thu, 01 Jan 2026 00:00:09 GMT"]);
        pull.Hub.Instead = context =>
        {
            if (!refusals.TryDequeue(out var after))
                return Task.FromResult(false);
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = after;
            return Task.FromResult(true);
        };
        await pull.PullAsync();
        Assert.Equal([TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(9)], pull.Time.Pauses);
    }

    [Fact]
    public async Task HubThatFails_IsAskedAgain_EverLater_AndThenNoMore()
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Hub.Instead = context =>
        {
            context.Response.StatusCode = 503;
            return Task.FromResult(true);
        };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.Contains("503", error.Message, StringComparison.Ordinal);
        Assert.Equal([1, 2, 4, 8], pull.Time.Pauses.Select(pause => pause.TotalSeconds));
        Assert.Equal(5, pull.Hub.Requests.Count);
        Assert.Empty(pull.Folders());
    }

    [Fact]
    public async Task HubThatWantsALongPause_IsToldAtOnce()
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Hub.Instead = context =>
        {
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "3600";
            return Task.FromResult(true);
        };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync());
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.Contains("60 minutes", error.Message, StringComparison.Ordinal);
        Assert.Empty(pull.Time.Pauses);
    }

    [Fact]
    public async Task HubThatSaysNothing_IsGivenUp()
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Time.IsImpatient = true;
        pull.Hub.Instead = async context =>
        {
            await AbortedAsync(context);
            return true;
        };
        var error = await Assert.ThrowsAsync<DomainException>(() => pull.PullAsync()).Within();
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.Contains("says nothing for 60 s", error.Message, StringComparison.Ordinal);
    }

    private static bool IsLarge(PullFixture pull, HttpContext context) =>
        context.Connection.LocalPort == pull.Hub.LargeFiles.Port;

    private static List<string> Ranges(PullFixture pull) =>
        [.. pull.Hub.Requests.Where(request => request.Port == pull.Hub.LargeFiles.Port)
            .Select(request => request.Range)];

    private static string[] Parts(PullFixture pull) =>
        Directory.GetFiles(pull.Root, ".part-*", SearchOption.AllDirectories);

    private static async Task AbortedAsync(HttpContext context)
    {
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = context.RequestAborted.Register(aborted.SetResult);
        await aborted.Task.Within();
    }

    /// <summary>Sends what is asked for, and breaks off.</summary>
    private static async Task<bool> SendPartAsync(PullFixture pull, HttpContext context, bool empty = false)
    {
        if (!empty)
        {
            var end = await SendBeginningAsync(context);
            await Eventually.TrueAsync(() => IsWritten(pull, end), "what was sent is written");
        }

        context.Abort();
        return true;
    }

    private static bool IsWritten(PullFixture pull, long bytes) =>
        Parts(pull) is [var part] && new FileInfo(part).Length == bytes;

    /// <returns>Where it ends in the file.</returns>
    private static async Task<int> SendBeginningAsync(HttpContext context)
    {
        var bytes = PullFixture.GoldenFiles()[ModelFiles.Weights];
        var from = context.Request.Headers.Range is { Count: > 0 } range
            ? int.Parse(range.ToString()["bytes=".Length..^1], System.Globalization.CultureInfo.InvariantCulture)
            : 0;
        if (from > 0)
        {
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {from}-{bytes.Length - 1}/{bytes.Length}";
        }

        context.Response.ContentLength = bytes.Length - from;
        var end = Math.Min(from + Sent, bytes.Length - 1);
        await context.Response.Body.WriteAsync(bytes.AsMemory(from..end));
        await context.Response.Body.FlushAsync();
        return end;
    }
}
