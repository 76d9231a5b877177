using System.CommandLine;
using Serving.Client;

namespace Serving.Bench;

/// <summary>A real server process with random weights, under load through the client library.</summary>
internal static class ServerBench
{
    private const double Overload = 3;

    public static Command Create()
    {
        var shape = new Option<string>("--shape")
        {
            DefaultValueFactory = _ => "mini",
            Description = string.Join(", ", Shapes.Names)
        };
        var seq = new Option<int>("--seq") { DefaultValueFactory = _ => 128, Description = "Tokens of every text." };
        var lengths = new Option<FileInfo?>("--lengths")
        {
            Description = "Tokens of each text, one number a line, taken in turn."
        };
        var tasks = new Option<int>("--tasks") { DefaultValueFactory = _ => 8 };
        var clients = new Option<int>("--clients")
        {
            DefaultValueFactory = _ => 8,
            Description = "Streams, or callers of unary calls."
        };
        var inFlight = new Option<int>("--in-flight")
        {
            DefaultValueFactory = _ => 32,
            Description = "Texts of a stream under way at a time."
        };
        var unary = new Option<bool>("--unary") { Description = "One call a text instead of streams." };
        var rate = new Option<double>("--rate")
        {
            Description = "Unary calls a second at fixed times, however slow the answers; 0 waits for them."
        };
        var skew = new Option<double>("--skew")
        {
            Description = "The share of texts that is for the first task; 0 for equal shares."
        };
        var throttle = new Option<double>("--throttle")
        {
            DefaultValueFactory = _ => ServingClientOptions.DefaultThrottleMultiplier,
            Description = "Calls sent for each that is answered while others are turned away, see "
                + "ServingClientOptions; Infinity sends all."
        };
        var overload = new Option<int>("--overload")
        {
            Description = $"Rounds in turns at --rate and at {Overload} times of it; 0 for none."
        };
        var telemetry = new Option<int>("--telemetry")
        {
            Description = "Rounds in turns on a server without and one with traces, metrics and logs; 0 for none."
        };
        var start = new Option<int>("--start")
        {
            Description = "Seconds, each measured by itself, of a server that is warm and then of one that has just "
                + "started; 0 for none."
        };
        var training = new Option<int>("--training")
        {
            Description = "Rounds in turns without and with a job that trains a mask; 0 for none."
        };
        var processors = new Option<string?>("--server-processors")
        {
            Description = "Those that the server may use, as taskset lists them: 0, 2-3; to keep it apart from this "
                + "process, start that with taskset, too."
        };
        var seconds = new Option<double>("--seconds") { DefaultValueFactory = _ => 10, Description = "Of a round." };
        var warmUp = new Option<double>("--warm-up")
        {
            DefaultValueFactory = _ => 30,
            Description = "Seconds of the same load before, until all is compiled."
        };
        var json = CommonOptions.Json();
        var command = new Command("server", "Texts classified through gRPC, many tasks.")
        {
            shape, seq, lengths, tasks, clients, inFlight, unary, rate, throttle, skew, overload, telemetry, start,
            training, processors, seconds, warmUp, json
        };
        command.SetAction(async parsed =>
        {
            var file = parsed.GetValue(lengths);
            int[] tokens = file is null
                ? [parsed.GetValue(seq)]
                : [.. File.ReadLines(file.FullName).Where(line => line.Length > 0).Select(int.Parse)];
            var load = new ServerLoad(
                parsed.GetValue(clients),
                parsed.GetValue(inFlight),
                parsed.GetValue(unary) || parsed.GetValue(rate) > 0,
                parsed.GetValue(rate),
                TimeSpan.FromSeconds(parsed.GetValue(seconds)));
            var requests = new ServerRequests(tokens, parsed.GetValue(tasks), parsed.GetValue(skew));
            var report = new ServerReport(
                parsed.GetValue(json),
                parsed.GetValue(shape)!,
                parsed.GetValue(tasks),
                load,
                parsed.GetValue(processors));
            using var server = await StartAsync();
            var warming = load with { Duration = TimeSpan.FromSeconds(parsed.GetValue(warmUp)) };
            await server.MeasureAsync(warming);
            if (parsed.GetValue(training) is > 0 and var trained)
                await BesideTrainingAsync(server, load, trained, report);
            else if (parsed.GetValue(overload) is > 0 and var overloaded)
                await OverloadAsync(server, load, overloaded, report);
            else if (parsed.GetValue(telemetry) is > 0 and var observed)
                await WithTelemetryAsync(server, StartAsync, load, warming, observed, report);
            else if (parsed.GetValue(start) is > 0 and var first)
                await FirstSecondsAsync(server, () => StartAsync(), load, first, report);
            else
                report.Print(await server.MeasureAsync(load));

            Task<ServerUnderLoad> StartAsync(params (string, string)[] environment) => ServerUnderLoad.StartAsync(
                parsed.GetValue(shape)!,
                parsed.GetValue(tasks),
                requests,
                parsed.GetValue(throttle),
                data => ServedProcess.StartAsync(data, parsed.GetValue(processors), environment));
        });
        return command;
    }

    /// <summary>What training beside it costs: the same load in turns without and with a job.</summary>
    private static async Task BesideTrainingAsync(
        ServerUnderLoad server, ServerLoad load, int rounds, ServerReport report)
    {
        var (without, with, steps) = (new List<ServerResult>(), new List<ServerResult>(), 0L);
        var training = new TrainingBeside(server.Client, report.Shape);
        await training.UploadAsync();
        for (var round = 0; round < rounds; round++)
        {
            without.Add(await server.MeasureAsync(load));
            await training.BeginAsync();
            var before = await training.StepsAsync();
            with.Add(await server.MeasureAsync(load));
            steps += await training.StepsAsync() - before;
            await training.EndAsync();
        }

        var stepsPerSecond = Measurement.Rounded(steps / (rounds * load.Duration.TotalSeconds));
        report.Compare("training", without, with, ("training_steps_per_second", stepsPerSecond));
    }

    /// <summary>
    /// What becomes of it when more is asked than it can do: the rate, and three times of it, in turns.
    /// </summary>
    private static async Task OverloadAsync(ServerUnderLoad server, ServerLoad load, int rounds, ServerReport report)
    {
        var (most, overload) = (new List<ServerResult>(), new List<ServerResult>());
        // A process's first exceptions take long, this one's, too.
        await server.MeasureAsync(load with { Rate = Overload * load.Rate });
        for (var round = 0; round < rounds; round++)
        {
            most.Add(await server.MeasureAsync(load));
            overload.Add(await server.MeasureAsync(load with { Rate = Overload * load.Rate }));
        }

        report.Compare("overload", most, overload);
    }

    /// <summary>
    /// What observing it costs: the same load in turns on two servers, one of which sends everything to a collector.
    /// </summary>
    private static async Task WithTelemetryAsync(
        ServerUnderLoad server,
        Func<(string Name, string Value)[], Task<ServerUnderLoad>> start,
        ServerLoad load,
        ServerLoad warmUp,
        int rounds,
        ServerReport report)
    {
        await using var sink = await TelemetrySink.StartAsync();
        using var observed = await start(sink.Environment);
        await observed.MeasureAsync(warmUp);
        var (off, on) = (new List<ServerResult>(), new List<ServerResult>());
        var before = sink.Bytes;
        for (var round = 0; round < rounds; round++)
        {
            // Each begins as often as the other.
            if (round % 2 == 0)
                off.Add(await server.MeasureAsync(load));
            on.Add(await observed.MeasureAsync(load));
            if (round % 2 == 1)
                off.Add(await server.MeasureAsync(load));
        }

        var bytesPerRequest = Math.Round((sink.Bytes - before) / on.Sum(result => result.Answered));
        report.Compare("telemetry", off, on, ("telemetry_bytes_per_request", bytesPerRequest));
    }

    /// <summary>
    /// What a start costs those who call at once: the seconds of a warm server, and the first ones of another.
    /// </summary>
    private static async Task FirstSecondsAsync(
        ServerUnderLoad warm, Func<Task<ServerUnderLoad>> start, ServerLoad load, int seconds, ServerReport report)
    {
        var second = load with { Duration = TimeSpan.FromSeconds(1) };
        var (after, first) = (new List<ServerResult>(), new List<ServerResult>());
        for (var i = 0; i < seconds; i++)
            after.Add(await warm.MeasureAsync(second));
        using var started = await start();
        for (var i = 0; i < seconds; i++)
            first.Add(await started.MeasureAsync(second));
        report.Compare("start", after, first);
    }
}
