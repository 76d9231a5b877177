using System.CommandLine;
using System.Diagnostics;
using Serving.Client;
using Serving.V1;

namespace Serving.Bench;

/// <summary>The same texts through Classify with one task, and through Embed without, in turns.</summary>
internal static class EmbedBench
{
    private static readonly (string Name, Pooling Pooling)[] Poolings =
        [("embed_mean", Pooling.Mean), ("embed_cls", Pooling.Cls)];

    public static Command Create()
    {
        var shape = new Option<string>("--shape")
        {
            DefaultValueFactory = _ => "minilm",
            Description = string.Join(", ", Shapes.Names)
        };
        var seq = new Option<int>("--seq") { DefaultValueFactory = _ => 128, Description = "Tokens of every text." };
        var texts = new Option<int>("--texts") { DefaultValueFactory = _ => 16, Description = "Of a call." };
        var clients = new Option<int>("--clients") { DefaultValueFactory = _ => 4, Description = "Callers." };
        var rounds = new Option<int>("--rounds") { DefaultValueFactory = _ => 7, Description = "Of each." };
        var seconds = new Option<double>("--seconds") { DefaultValueFactory = _ => 5, Description = "Of a round." };
        var warmUp = new Option<double>("--warm-up")
        {
            DefaultValueFactory = _ => 10,
            Description = "Seconds of each before, until all is compiled."
        };
        var json = CommonOptions.Json();
        var command = new Command("embed", "Texts embedded beside texts classified, through gRPC.")
        {
            shape, seq, texts, clients, rounds, seconds, warmUp, json
        };
        command.SetAction(async parsed =>
        {
            var tokens = new ServerRequests([parsed.GetValue(seq)], tasks: 1, skew: 0);
            var calls = Calls([.. Enumerable.Range(0, parsed.GetValue(texts)).Select(_ => tokens.Next().Input)]);
            using var data = new ServerData(parsed.GetValue(shape)!, tasks: 1);
            using var process = await ServedProcess.StartAsync(data.Path);
            using var client = new ServingClient(process.Address.OriginalString);
            await data.ImportAsync(client);
            var measured = calls.ConvertAll(_ => new List<Round>());
            for (var round = -1; round < parsed.GetValue(rounds); round++)
            {
                var time = TimeSpan.FromSeconds(parsed.GetValue(round < 0 ? warmUp : seconds));
                for (var i = 0; i < calls.Count; i++)
                {
                    var figures = await MeasureAsync(
                        process, () => calls[i].CallAsync(client), parsed.GetValue(clients), time);
                    if (round >= 0)
                        measured[i].Add(figures);
                }
            }

            var perCall = parsed.GetValue(texts);
            Measurement.Print(
                parsed.GetValue(json),
                [
                    ("bench", "embed"),
                    ("shape", parsed.GetValue(shape)),
                    ("seq", parsed.GetValue(seq)),
                    ("texts_per_call", perCall),
                    ("clients", parsed.GetValue(clients)),
                    .. Compare("texts_per_second", round => perCall * round.CallsPerSecond),
                    .. Compare("server_cpu_ms_per_text", round => round.ServerCpu.TotalMilliseconds / perCall)
                ]);

            IEnumerable<(string Name, object? Value)> Compare(string figure, Func<Round, double> of)
            {
                var values = measured.ConvertAll(some => some.ConvertAll(of.Invoke));
                for (var i = 0; i < calls.Count; i++)
                {
                    yield return ($"{calls[i].Name}_{figure}", values[i].Select(Measurement.Rounded).ToArray());
                    if (i > 0)
                    {
                        var ratio = Median(values[i]) / Median(values[0]);
                        yield return ($"{calls[i].Name}_{figure}_ratio_of_medians", Measurement.Rounded(ratio));
                    }
                }
            }
        });
        return command;
    }

    private static List<(string Name, Func<ServingClient, Task> CallAsync)> Calls(TextInput[] texts) =>
    [
        ("classify", client => client.Classifier.ClassifyAsync(new()
        {
            Inputs = { texts },
            Tasks = { new TaskReference { Task = ServerData.TaskName(0) } }
        }).ResponseAsync),
        .. Poolings.Select(one => (one.Name, (Func<ServingClient, Task>)(client => client.Embedder.EmbedAsync(new()
        {
            Inputs = { texts },
            Pooling = one.Pooling
        }).ResponseAsync)))
    ];

    private static async Task<Round> MeasureAsync(
        ServedProcess process, Func<Task> callAsync, int clients, TimeSpan time)
    {
        var calls = 0;
        var cpu = process.CpuTime;
        var begin = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(async () =>
        {
            while (Stopwatch.GetElapsedTime(begin) < time)
            {
                await callAsync();
                Interlocked.Increment(ref calls);
            }
        })));
        return new(calls / Stopwatch.GetElapsedTime(begin).TotalSeconds, (process.CpuTime - cpu) / calls);
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    /// <param name="ServerCpu">Processor time of the server for each call.</param>
    private readonly record struct Round(double CallsPerSecond, TimeSpan ServerCpu);
}
