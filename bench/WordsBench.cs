using System.CommandLine;

namespace Serving.Bench;

/// <summary>Baselines that count words: the majority, and logistic regression on words and pairs of words.</summary>
internal static class WordsBench
{
    private const int Epochs = 20;
    private const double LearningRate = 0.5;
    private const double Decay = 1e-6;

    public static Command Create()
    {
        var train = new Option<FileInfo>("--train")
        {
            Required = true,
            Description = ".tsv with a header, a text and a label a row."
        };
        var dev = new Option<FileInfo>("--dev") { Required = true };
        var json = CommonOptions.Json();
        var command =
            new Command("words", "A bag-of-words logistic regression, as a baseline for tasks.") { train, dev, json };
        command.SetAction(parsed => Run(parsed.GetValue(train)!, parsed.GetValue(dev)!, parsed.GetValue(json)));
        return command;
    }

    private static void Run(FileInfo train, FileInfo dev, bool asJson)
    {
        var (learned, judged) = (Read(train), Read(dev));
        string[] labels = [.. learned.Select(row => row.Label).Distinct().Order(StringComparer.Ordinal)];
        var majority = learned.CountBy(row => row.Label).MaxBy(count => count.Value).Key;
        Measurement.Print(
            asJson,
            ("bench", "words"),
            ("train", train.Name),
            ("dev", dev.Name),
            ("rows", learned.Count),
            ("majority", Measurement.Rounded((double)judged.Count(row => row.Label == majority) / judged.Count)),
            ("words", Accuracy(learned, judged, labels, pairs: false)),
            ("words_and_pairs", Accuracy(learned, judged, labels, pairs: true)));
    }

    /// <summary>Logistic regression by AdaGrad (Duchi et al. 2011) on binary features of unit length.</summary>
    private static double Accuracy(
        List<(string Text, string Label)> learned, List<(string Text, string Label)> judged, string[] labels,
        bool pairs)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var examples = learned.Select(row =>
        {
            var features = Features(row.Text, pairs, word => ids.TryAdd(word, ids.Count) ? ids.Count - 1 : ids[word]);
            return (Features: features, Label: Array.IndexOf(labels, row.Label));
        }).ToList();
        var weights = new double[(ids.Count + 1) * labels.Length];
        var squares = new double[weights.Length];
        var random = new Random(1);
        for (var epoch = 0; epoch < Epochs; epoch++)
        {
            foreach (var index in Enumerable.Range(0, examples.Count).OrderBy(_ => random.Next()).ToList())
            {
                var (features, label) = examples[index];
                var value = 1 / Math.Sqrt(features.Length);
                var probabilities = Probabilities(weights, features, labels.Length, value);
                for (var c = 0; c < labels.Length; c++)
                {
                    var error = probabilities[c] - (c == label ? 1 : 0);
                    foreach (var feature in features)
                    {
                        var at = (feature * labels.Length) + c;
                        var gradient = (error * value) + (Decay * weights[at]);
                        squares[at] += gradient * gradient;
                        weights[at] -= LearningRate * gradient / (Math.Sqrt(squares[at]) + 1e-8);
                    }
                }
            }
        }

        var right = judged.Count(row =>
        {
            var features = Features(row.Text, pairs, word => ids.GetValueOrDefault(word, ids.Count));
            var probabilities = Probabilities(weights, features, labels.Length, 1 / Math.Sqrt(features.Length));
            return labels[Array.IndexOf(probabilities, probabilities.Max())] == row.Label;
        });
        return Measurement.Rounded((double)right / judged.Count);
    }

    private static double[] Probabilities(double[] weights, int[] features, int classes, double value)
    {
        var scores = new double[classes];
        foreach (var feature in features)
        {
            for (var c = 0; c < classes; c++)
                scores[c] += weights[(feature * classes) + c] * value;
        }

        var most = scores.Max();
        double[] exponentials = [.. scores.Select(score => Math.Exp(score - most))];
        var sum = exponentials.Sum();
        return [.. exponentials.Select(exponential => exponential / sum)];
    }

    private static int[] Features(string text, bool pairs, Func<string, int> id)
    {
        string[] words = ["", .. text.ToLowerInvariant().Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        var all = words.AsEnumerable();
        if (pairs)
            all = all.Concat(words.Zip(words.Skip(1), (first, second) => $"{first} {second}"));
        return [.. all.Select(id).Distinct()];
    }

    private static List<(string Text, string Label)> Read(FileInfo file) =>
        [.. File.ReadLines(file.FullName).Skip(1).Select(line => line.Split('\t'))
            .Select(cells => (cells[0], cells[1]))];
}
