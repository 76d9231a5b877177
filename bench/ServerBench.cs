using System.Collections.Concurrent;
using System.CommandLine;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using Serving.Client;
using Serving.V1;
using Task = System.Threading.Tasks.Task;

namespace Serving.Bench;

/// <summary>A real server process with random weights, under load through the client library.</summary>
internal static class ServerBench
{
    public static Command Create()
    {
        var shape = new Option<string>("--shape") { DefaultValueFactory = _ => "mini", Description = string.Join(", ", Shapes.Names) };
        var seq = new Option<int>("--seq") { DefaultValueFactory = _ => 128, Description = "Tokens of every text." };
        var lengths = new Option<FileInfo?>("--lengths") { Description = "Tokens of each text, one number a line, taken in turn." };
        var tasks = new Option<int>("--tasks") { DefaultValueFactory = _ => 8 };
        var clients = new Option<int>("--clients") { DefaultValueFactory = _ => 8, Description = "Streams, or callers of unary calls." };
        var inFlight = new Option<int>("--in-flight") { DefaultValueFactory = _ => 32, Description = "Texts of a stream under way at a time." };
        var unary = new Option<bool>("--unary") { Description = "One call a text instead of streams." };
        var rate = new Option<double>("--rate") { Description = "Unary calls a second at fixed times, however slow the answers; 0 waits for them." };
        var skew = new Option<double>("--skew") { Description = "The share of texts that is for the first task; 0 for equal shares." };
        var throttle = new Option<double>("--throttle")
        {
            DefaultValueFactory = _ => double.PositiveInfinity,
            Description = "Calls sent for each that is answered while others are turned away, see ServingClientOptions; all by default."
        };
        var training = new Option<int>("--training") { Description = "Rounds in turns without and with a job that trains a mask, each as long as --seconds; 0 for no job." };
        var seconds = new Option<double>("--seconds") { DefaultValueFactory = _ => 10 };
        var warmUp = new Option<double>("--warm-up") { DefaultValueFactory = _ => 30, Description = "Seconds of the same load before, until all is compiled." };
        var json = CommonOptions.Json();
        var command = new Command("server", "Texts classified through gRPC, many tasks.")
        {
            shape, seq, lengths, tasks, clients, inFlight, unary, rate, throttle, skew, training, seconds, warmUp, json
        };
        command.SetAction(parsed =>
        {
            var file = parsed.GetValue(lengths);
            int[] tokens = file is null
                ? [parsed.GetValue(seq)]
                : [.. File.ReadLines(file.FullName).Where(line => line.Length > 0).Select(int.Parse)];
            var load = new Load(
                parsed.GetValue(clients),
                parsed.GetValue(inFlight),
                parsed.GetValue(unary) || parsed.GetValue(rate) > 0,
                parsed.GetValue(rate),
                parsed.GetValue(throttle),
                TimeSpan.FromSeconds(parsed.GetValue(warmUp)),
                TimeSpan.FromSeconds(parsed.GetValue(seconds)));
            return RunAsync(
                parsed.GetValue(shape)!, tokens, parsed.GetValue(tasks), parsed.GetValue(skew), load, parsed.GetValue(training), parsed.GetValue(json));
        });
        return command;
    }

    private static async Task RunAsync(string shape, int[] lengths, int tasks, double skew, Load load, int training, bool asJson)
    {
        using var data = new ServerData(shape, tasks);
        using var server = await ServedProcess.StartAsync(data.Path);
        using var client = new ServingClient(new ServingClientOptions { Addresses = [server.Address], MaxAttempts = 1, ThrottleMultiplier = load.Throttle });
        await data.ImportAsync(client);
        var requests = new Requests(lengths, tasks, skew);

        await MeasureAsync(client, requests, load with { Duration = load.WarmUp });
        if (training > 0)
        {
            await CompareAsync(client, requests, load, new(client, shape), training, shape, asJson);
            return;
        }

        var cpu = server.CpuTime;
        var ownCpu = Environment.CpuUsage.TotalTime;
        var result = await MeasureAsync(client, requests, load);
        Measurement.Print(
            asJson,
            ("bench", "server"),
            ("shape", shape),
            ("tasks", tasks),
            ("clients", load.Clients),
            ("skew", skew),
            ("mode", load.Rate > 0 ? "rate" : load.IsUnary ? "unary" : "stream"),
            ("offered_per_second", load.Rate),
            ("requests_per_second", Measurement.Rounded(result.Answered.Count / result.Elapsed.TotalSeconds)),
            ("p50_ms", Percentile(result.Answered, 0.50)),
            ("p99_ms", Percentile(result.Answered, 0.99)),
            ("held_back_per_second", Measurement.Rounded(result.HeldBack / result.Elapsed.TotalSeconds)),
            ("rejected_per_second", Measurement.Rounded(result.Rejected.Count / result.Elapsed.TotalSeconds)),
            ("rejected_p50_ms", Percentile(result.Rejected, 0.50)),
            ("rejected_p99_ms", Percentile(result.Rejected, 0.99)),
            ("jain_index", Measurement.Rounded(Jain(result.AnsweredByTask.Values))),
            ("server_cpu_ms_per_request", Measurement.Rounded((server.CpuTime - cpu).TotalMilliseconds / result.Answered.Count)),
            ("client_cpu_ms_per_request", Measurement.Rounded((Environment.CpuUsage.TotalTime - ownCpu).TotalMilliseconds / result.Answered.Count)));
    }

    /// <summary>What training beside it costs: the same load in turns without and with a job.</summary>
    private static async Task CompareAsync(
        ServingClient client, Requests requests, Load load, TrainingBeside training, int rounds, string shape, bool asJson)
    {
        var (without, with, steps) = (new List<Result>(), new List<Result>(), 0L);
        await training.UploadAsync();
        for (var round = 0; round < rounds; round++)
        {
            without.Add(await MeasureAsync(client, requests, load));
            await training.BeginAsync();
            var before = await training.StepsAsync();
            with.Add(await MeasureAsync(client, requests, load));
            steps += await training.StepsAsync() - before;
            await training.EndAsync();
        }

        Measurement.Print(
            asJson,
            ("bench", "server beside training"),
            ("shape", shape),
            ("offered_per_second", load.Rate),
            ("p50_ms", List(without, 0.50)),
            ("p50_ms_training", List(with, 0.50)),
            ("p99_ms", List(without, 0.99)),
            ("p99_ms_training", List(with, 0.99)),
            ("p99_ratio_of_medians", Measurement.Rounded(Middle(with, 0.99) / Middle(without, 0.99))),
            ("training_steps_per_second", Measurement.Rounded(steps / (rounds * load.Duration.TotalSeconds))));

        static string List(List<Result> results, double fraction) => string.Join(' ', Times(results, fraction));

        static double[] Times(List<Result> results, double fraction) => [.. results.Select(result => Percentile(result.Answered, fraction))];

        static double Middle(List<Result> results, double fraction) => Times(results, fraction).Order().ElementAt(results.Count / 2);
    }

    private static async Task<Result> MeasureAsync(ServingClient client, Requests requests, Load load)
    {
        var result = new Result();
        var begin = Stopwatch.GetTimestamp();
        if (load.Rate > 0)
            await OfferAsync(client, requests, load, result);
        else
            await Task.WhenAll(Enumerable.Range(0, load.Clients).Select(_ => Task.Run(() => load.IsUnary
                ? CallAsync(client, requests, load, result)
                : StreamAsync(client, requests, load, result))));
        result.Elapsed = Stopwatch.GetElapsedTime(begin);
        return result;
    }

    /// <summary>Sends calls at fixed times; a call's time counts from when it was due.</summary>
    private static async Task OfferAsync(ServingClient client, Requests requests, Load load, Result result)
    {
        using var running = new CountdownEvent(1); // Not a list of tasks, which would keep all of them from the collector.
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
                await CallOnceAsync(client, requests.Next(), due, result);
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

    private static async Task CallAsync(ServingClient client, Requests requests, Load load, Result result)
    {
        var begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin) < load.Duration)
            await CallOnceAsync(client, requests.Next(), Stopwatch.GetTimestamp(), result);
    }

    private static async Task CallOnceAsync(ServingClient client, ClassifyStreamRequest request, long due, Result result)
    {
        var begin = Stopwatch.GetTimestamp();
        try
        {
            await client.Classifier.ClassifyAsync(new() { Inputs = { request.Input }, Tasks = { request.Tasks } });
            result.Answer(request.Tasks[0].Task, Stopwatch.GetElapsedTime(due));
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.ResourceExhausted)
        {
            if (exception.GetRpcStatus()?.GetDetail<ErrorInfo>() is not null)
                result.NoteHeldBack();
            else
                result.Rejected.Add(Stopwatch.GetElapsedTime(begin)); // What the server makes a caller wait for a "no".
        }
    }

    private static async Task StreamAsync(ServingClient client, Requests requests, Load load, Result result)
    {
        var sent = new ConcurrentDictionary<long, (string Task, long At)>();
        using var permits = new SemaphoreSlim(load.InFlight);
        var begin = Stopwatch.GetTimestamp();
        await foreach (var response in client.ClassifyStreamAsync(SendAsync()))
        {
            permits.Release();
            if (response.Error is not null)
                throw new InvalidOperationException(response.Error.Message);
            sent.TryRemove(response.Id, out var request);
            result.Answer(request.Task, Stopwatch.GetElapsedTime(request.At));
        }

        async IAsyncEnumerable<ClassifyStreamRequest> SendAsync([EnumeratorCancellation] CancellationToken cancelled = default)
        {
            while (Stopwatch.GetElapsedTime(begin) < load.Duration)
            {
                await permits.WaitAsync(cancelled);
                var request = requests.Next();
                sent[request.Id] = (request.Tasks[0].Task, Stopwatch.GetTimestamp());
                yield return request;
            }
        }
    }

    private static double Percentile(IReadOnlyCollection<TimeSpan> times, double fraction) => times.Count == 0
        ? 0
        : Math.Round(times.Order().ElementAt((int)((times.Count - 1) * fraction)).TotalMilliseconds, 3);

    /// <summary>1 when all tasks got the same, 1/n when one got everything (Jain, Chiu and Hawe 1984).</summary>
    private static double Jain(IEnumerable<int> shares)
    {
        double[] all = [.. shares];
        return all.Length == 0 ? 0 : Math.Pow(all.Sum(), 2) / (all.Length * all.Sum(share => share * share));
    }

    private sealed record Load(int Clients, int InFlight, bool IsUnary, double Rate, double Throttle, TimeSpan WarmUp, TimeSpan Duration);

    private sealed class Result
    {
        private int _heldBack;

        public ConcurrentBag<TimeSpan> Answered { get; } = [];

        public ConcurrentBag<TimeSpan> Rejected { get; } = [];

        public ConcurrentDictionary<string, int> AnsweredByTask { get; } = new(StringComparer.Ordinal);

        public TimeSpan Elapsed { get; set; }

        /// <summary>Calls that the client did not send.</summary>
        public int HeldBack => _heldBack;

        public void NoteHeldBack() => Interlocked.Increment(ref _heldBack);

        public void Answer(string task, TimeSpan time)
        {
            Answered.Add(time);
            AnsweredByTask.AddOrUpdate(task, 1, static (_, count) => count + 1);
        }
    }

    /// <summary>Texts of the given lengths, each for the next task.</summary>
    private sealed class Requests
    {
        private readonly TextInput[] _texts;
        private readonly TaskReference[] _tasks;
        private readonly double _skew;
        private long _next;

        public Requests(int[] lengths, int tasks, double skew)
        {
            _skew = skew;
            const int specialTokens = 2;
            _texts = [.. lengths.Select(length => new TextInput { Text = string.Join(' ', Enumerable.Repeat("a", length - specialTokens)) })];
            _tasks = [.. Enumerable.Range(0, tasks).Select(task => new TaskReference { Task = ServerData.TaskName(task) })];
        }

        public ClassifyStreamRequest Next()
        {
            var id = Interlocked.Increment(ref _next);
            var task = (id + (id / _texts.Length)) % _tasks.Length; // Every task gets every text.
            if (_skew > 0)
                task = id * 0.6180339887498949 % 1 < _skew ? 0 : 1 + (id % (_tasks.Length - 1));
            return new() { Id = id, Input = _texts[id % _texts.Length], Tasks = { _tasks[task] } };
        }
    }

    /// <summary>The server as a process of its own.</summary>
    private sealed class ServedProcess : IDisposable
    {
        private readonly Process _process;

        private ServedProcess(Process process, Uri address)
        {
            _process = process;
            Address = address;
        }

        public Uri Address { get; }

        public TimeSpan CpuTime
        {
            get
            {
                _process.Refresh();
                return _process.TotalProcessorTime;
            }
        }

        public static async Task<ServedProcess> StartAsync(string data)
        {
            const string announcement = "Serving listens on ";
            var start = new ProcessStartInfo("dotnet") { UseShellExecute = false, RedirectStandardOutput = true };
            foreach (var argument in (string[])
                [Path.Combine(AppContext.BaseDirectory, "Serving.Server.dll"), "--port", "0", "--data", data])
                start.ArgumentList.Add(argument);
            var process = Process.Start(start)!;
            string? line;
            do
                line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The server did not start.");
            while (!line.StartsWith(announcement, StringComparison.Ordinal));
            _ = process.StandardOutput.ReadToEndAsync(); // So that it never waits for a reader.
            var server = new ServedProcess(process, new Uri(line[announcement.Length..]));
            using var client = new ServingClient(server.Address.OriginalString);
            using var watch = client.Health.Watch(new());
            while (await watch.ResponseStream.MoveNext(CancellationToken.None)
                && watch.ResponseStream.Current.Status != HealthCheckResponse.Types.ServingStatus.Serving)
            {
            }

            return server;
        }

        public void Dispose()
        {
            _process.Kill();
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
