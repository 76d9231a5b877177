using System.CommandLine;
using Serving.Tensors;
using Serving.Text.Bert;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Optimization;
using Serving.Training.Pretraining;

namespace Serving.Bench;

/// <summary>Steps of training a classifier, its masks or a backbone: forward, backward, optimizer.</summary>
internal static class TrainBench
{
    private const int Labels = 2;

    public static Command Create()
    {
        var shape = new Option<string>("--shape")
        {
            DefaultValueFactory = _ => "mini",
            Description = string.Join(", ", Shapes.Names)
        };
        var batch = new Option<int>("--batch") { DefaultValueFactory = _ => 32, Description = "Sequences of a step." };
        var seq = new Option<int>("--seq") { DefaultValueFactory = _ => 64, Description = "Tokens of every sequence." };
        var method = new Option<string>("--method")
        {
            DefaultValueFactory = _ => "finetune",
            Description = "finetune, mask, pretrain"
        };
        var dropout = new Option<float>("--dropout") { DefaultValueFactory = _ => 0.1f };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var runs = new Option<int>("--runs")
        {
            DefaultValueFactory = _ => 10,
            Description = "Steps, of which the median counts."
        };
        var device = CommonOptions.Device();
        var json = CommonOptions.Json();
        var command = new Command(
            "train", "Steps of training a BERT classifier, its masks, or of masked language modelling.")
        {
            shape, batch, seq, method, dropout, threads, runs, device, json
        };
        command.SetAction(parsed => Run(
            parsed.GetValue(shape)!,
            parsed.GetValue(batch),
            parsed.GetValue(seq),
            parsed.GetValue(method)!,
            parsed.GetValue(dropout),
            parsed.GetValue(device)!,
            parsed.GetValue(threads),
            parsed.GetValue(runs),
            parsed.GetValue(json)));
        return command;
    }

    private static void Run(
        string shape, int batchSize, int length, string method, float dropout, string device, int threads, int runs,
        bool asJson)
    {
        var config = Shapes.Bert(shape);
        using var backend = CommonOptions.CreateBackend(device, threads);
        using var model = BertModel.Load(backend, config, new InitialParameters(seed: 1));
        using var head = new ClassifierHead(backend, Labels, config.Hidden, seed: 2, isTrained: true);
        using var tokenHead = new MaskedLanguageHead(backend, model, seed: 3);
        using var scores = method == "mask" ? BertScores.Create(backend, model, new(), seed: 3) : null;
        if (scores is null)
            model.TrainAll();
        else
            scores.TrainAll();
        var headParameters = method == "pretrain" ? tokenHead.Parameters : head.Parameters;
        using var optimizer = new AdamOptimizer(
            backend, [.. model.Parameters, .. scores?.Parameters ?? [], .. headParameters], new());
        using var tape = new Tape(backend);
        var batch = new SequenceBatch(
            [.. Enumerable.Range(0, batchSize).Select(i => Sequence(i, length, config.Vocab))]);
        int[] labels = [.. Enumerable.Range(0, batchSize).Select(i => i % Labels)];
        var (hiddenTokens, hiddenLabels) = HiddenTokens(batch);
        var peak = LinearBench.PeakGflops(backend);
        var step = 0UL;
        var before = 0L;
        var median = Measurement.Median(runs, () =>
        {
            before = tape.FloatingPointOperations;
            var keys = new DropoutKeys(CounterRandom.Key(4, step++), dropout, dropout);
            if (method == "pretrain")
            {
                var logits = tokenHead.Forward(tape, model.Forward(tape, batch, hiddenTokens, masks: null, keys));
                tape.SoftmaxCrossEntropy(logits, hiddenLabels, 1f / hiddenLabels.Length);
            }
            else
            {
                var states = model.Forward(tape, batch, batch.FirstTokens, scores, keys);
                var logits = head.Forward(tape, model.Pool(tape, states, scores), keys);
                tape.SoftmaxCrossEntropy(logits, labels, 1f / batchSize);
            }

            tape.Backward();
            tape.Reset();
            optimizer.Step(1e-4f);
        });
        var gflops = (tape.FloatingPointOperations - before) * 1e-9 / median.TotalSeconds;
        Measurement.Print(
            asJson,
            ("bench", "train"),
            ("shape", shape),
            ("method", method),
            ("batch", batchSize),
            ("seq", length),
            ("dropout", dropout),
            ("backend", backend.Description),
            ("median_ms", Measurement.Rounded(median.TotalMilliseconds)),
            ("tokens_per_second", Measurement.Rounded(batchSize * length / median.TotalSeconds)),
            ("gflops", Measurement.Rounded(gflops)),
            ("peak_gflops", Measurement.Rounded(peak)),
            ("fraction_of_peak", Measurement.Rounded(gflops / peak)));
    }

    /// <summary>15% of the tokens of each sequence.</summary>
    private static (SelectedRows Rows, int[] Labels) HiddenTokens(SequenceBatch batch)
    {
        const double rate = 0.15;
        var (rows, offsets) = (new List<int>(), new int[batch.Count + 1]);
        for (var i = 0; i < batch.Count; i++)
        {
            var length = batch.Offsets[i + 1] - batch.Offsets[i];
            rows.AddRange(
                Enumerable.Range(0, (int)(rate * length)).Select(hidden => batch.Offsets[i] + (int)(hidden / rate)));
            offsets[i + 1] = rows.Count;
        }

        return (new([.. rows], offsets), [.. rows.Select(row => batch.Tokens[row].Token)]);
    }

    private static TokenSequence Sequence(int seed, int length, int vocab) => new(
        [.. Enumerable.Range(0, length).Select(
            i => new Token(((seed * 131) + i) * 7919 % vocab, 0, TokenSource.Text, default))],
        DroppedTokens: 0);
}
