using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Google.Rpc;
using Grpc.Core;
using Serving.Client;
using Serving.V1;

namespace Serving.Bench;

/// <summary>A server process with random weights, its client, and the load that is put on it.</summary>
internal sealed class ServerUnderLoad : IDisposable
{
    private readonly ServerData _data;
    private readonly ServedProcess _process;
    private readonly ServerRequests _requests;

    private ServerUnderLoad(ServerData data, ServedProcess process, ServingClient client, ServerRequests requests)
    {
        _data = data;
        _process = process;
        _requests = requests;
        Client = client;
    }

    public ServingClient Client { get; }

    /// <param name="start">Starts the process on a data root.</param>
    /// <param name="throttle">See <see cref="ServingClientOptions.ThrottleMultiplier"/>.</param>
    public static async Task<ServerUnderLoad> StartAsync(
        string shape, int tasks, ServerRequests requests, double throttle, Func<string, Task<ServedProcess>> start)
    {
        var data = new ServerData(shape, tasks);
        var process = await start(data.Path);
        var client = new ServingClient(
            new ServingClientOptions { Addresses = [process.Address], MaxAttempts = 1, ThrottleMultiplier = throttle });
        await data.ImportAsync(client);
        return new(data, process, client, requests);
    }

    public async Task<ServerResult> MeasureAsync(ServerLoad load)
    {
        var result = new ServerResult();
        var cpu = _process.CpuTime;
        var ownCpu = Environment.CpuUsage.TotalTime;
        var begin = Stopwatch.GetTimestamp();
        if (load.Rate > 0)
            await OfferAsync(load, result);
        else
            await Task.WhenAll(Enumerable.Range(0, load.Clients).Select(_ => Task.Run(() =>
                load.IsUnary ? CallAsync(load, result) : StreamAsync(load, result))));
        result.Elapsed = Stopwatch.GetElapsedTime(begin);
        result.ServerCpu = _process.CpuTime - cpu;
        result.ClientCpu = Environment.CpuUsage.TotalTime - ownCpu;
        return result;
    }

    public void Dispose()
    {
        Client.Dispose();
        _process.Dispose();
        _data.Dispose();
    }

    /// <summary>Sends calls at fixed times; a call's time counts from when it was due.</summary>
    private async Task OfferAsync(ServerLoad load, ServerResult result)
    {
        // Not a list of tasks, which would keep all of them from the collector.
        using var running = new CountdownEvent(1);
        Exception? failure = null;
        await Pacer.RunAsync(load.Rate, load.Duration, due =>
        {
            running.AddCount();
            _ = SendAsync(due);
        });
        running.Signal();
        running.Wait();
        if (failure is not null)
            throw failure;

        async Task SendAsync(long due)
        {
            try
            {
                await CallOnceAsync(_requests.Next(), due, result);
            }
            catch (Exception exception)
            {
                failure = exception;
            }
            finally
            {
                running.Signal();
            }
        }
    }

    private async Task CallAsync(ServerLoad load, ServerResult result)
    {
        var begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin) < load.Duration)
            await CallOnceAsync(_requests.Next(), Stopwatch.GetTimestamp(), result);
    }

    private async Task CallOnceAsync(ClassifyStreamRequest request, long due, ServerResult result)
    {
        var begin = Stopwatch.GetTimestamp();
        try
        {
            await Client.Classifier.ClassifyAsync(new() { Inputs = { request.Input }, Tasks = { request.Tasks } });
            result.Answer(request.Tasks[0].Task, Stopwatch.GetElapsedTime(due));
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.ResourceExhausted)
        {
            var waited = Stopwatch.GetElapsedTime(begin); // What the server makes a caller wait for a "no".
            if (exception.GetRpcStatus()?.GetDetail<ErrorInfo>() is not null)
                result.NoteHeldBack();
            else
                result.Reject(waited);
        }
    }

    private async Task StreamAsync(ServerLoad load, ServerResult result)
    {
        var sent = new ConcurrentDictionary<long, (string Task, long At)>();
        using var permits = new SemaphoreSlim(load.InFlight);
        var begin = Stopwatch.GetTimestamp();
        await foreach (var response in Client.ClassifyStreamAsync(SendAsync()))
        {
            permits.Release();
            if (response.Error is not null)
                throw new InvalidOperationException(response.Error.Message);
            sent.TryRemove(response.Id, out var request);
            result.Answer(request.Task, Stopwatch.GetElapsedTime(request.At));
        }

        async IAsyncEnumerable<ClassifyStreamRequest> SendAsync(
            [EnumeratorCancellation] CancellationToken cancelled = default)
        {
            while (Stopwatch.GetElapsedTime(begin) < load.Duration)
            {
                await permits.WaitAsync(cancelled);
                var request = _requests.Next();
                sent[request.Id] = (request.Tasks[0].Task, Stopwatch.GetTimestamp());
                yield return request;
            }
        }
    }
}
