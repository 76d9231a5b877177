using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Layers;

namespace Serving.Training.Pretraining;

/// <summary>Runs examples through backbone and heads, up to their losses.</summary>
internal sealed class ObjectiveLosses(Tape tape, BertModel model, MaskedLanguageHead head, AuxiliaryHeads auxiliary)
{
    private readonly NeighborLosses _neighbors = new(tape, auxiliary);

    /// <summary>How many predictions an example has for an objective.</summary>
    public static int Count(PretrainingExample example, Objective objective) => objective switch
    {
        Objective.QuickThoughts => example.Sequences.Count == 2 ? 1 : 0,
        Objective.FastSent => example.Sequences.Count == 2
            ? example.Sequences.Sum(sequence => sequence.Sequence.Tokens.Count - 2)
            : 0,
        _ => example.Sequences.Sum(sequence => Count(sequence, objective))
    };

    /// <summary>Runs forward; the losses' gradients wait for <see cref="Tape.Backward"/>.</summary>
    /// <param name="counts">Predictions of the step, for the mean's gradient; null for no gradient.</param>
    /// <param name="countsRight">Whether right predictions are counted, which costs time.</param>
    public Dictionary<Objective, ObjectiveSums> Run(
        IReadOnlyList<PretrainingExample> examples,
        IReadOnlySet<Objective> objectives,
        IReadOnlyDictionary<Objective, int>? counts,
        DropoutKeys dropout,
        bool countsRight = false)
    {
        List<PretrainingSequence> sequences = [.. examples.SelectMany(example => example.Sequences)];
        var batch = new SequenceBatch([.. sequences.Select(sequence => sequence.Sequence)]);
        var rows = new List<int>();
        var offsets = new int[sequences.Count + 1];
        for (var i = 0; i < sequences.Count; i++)
        {
            foreach (var position in Wanted(sequences[i], objectives))
                rows.Add(batch.Offsets[i] + position);
            offsets[i + 1] = rows.Count;
        }

        var states = new HiddenStates(
            tape, model.Forward(tape, batch, new([.. rows], offsets), masks: null, dropout), rows, batch);
        var sums = new Dictionary<Objective, ObjectiveSums>();
        foreach (var objective in objectives)
        {
            var scale = counts is null ? 0 : 1f / Math.Max(1, counts[objective]);
            var result = Objectives.Of(objective).Predicts switch
            {
                Prediction.Token => Tokens(objective, sequences, states, scale, countsRight),
                Prediction.InputClass => InputClasses(objective, sequences, states, scale, countsRight),
                Prediction.TokenClass => TokenClasses(objective, sequences, states, scale, countsRight),
                Prediction.TokenNumber => TokenNumbers(objective, sequences, states, scale),
                _ => objective == Objective.QuickThoughts
                    ? _neighbors.QuickThoughts(examples, states, scale)
                    : _neighbors.FastSent(examples, states, scale)
            };
            if (result.Count > 0)
                sums[objective] = result;
        }

        return sums;
    }

    private static int Count(PretrainingSequence sequence, Objective objective) =>
        Objectives.Of(objective).Predicts == Prediction.Token ? sequence.Positions.Length
        : sequence.Classes.TryGetValue(objective, out var classes) ? classes.Positions.Length
        : sequence.Numbers.TryGetValue(objective, out var numbers) ? numbers.Positions.Length
        : 0;

    /// <summary>Positions whose last state is needed, ascending.</summary>
    private static IEnumerable<int> Wanted(PretrainingSequence sequence, IReadOnlySet<Objective> objectives)
    {
        if (objectives.Count == 1 && objectives.Contains(Objective.MaskedLanguageModel))
            return sequence.Positions;
        var wanted = new SortedSet<int> { 0 };
        foreach (var objective in objectives)
        {
            if (objective == Objective.FastSent)
                wanted.UnionWith(Enumerable.Range(0, sequence.Sequence.Tokens.Count));
            else if (objective == Objective.SpanBoundary)
                wanted.UnionWith(sequence.Positions.SelectMany(position => (int[])[position - 1, position + 1]));
            else if (objective == Objective.MaskedLanguageModel)
                wanted.UnionWith(sequence.Positions);
            else if (sequence.Classes.TryGetValue(objective, out var classes))
                wanted.UnionWith(classes.Positions);
            else if (sequence.Numbers.TryGetValue(objective, out var numbers))
                wanted.UnionWith(numbers.Positions);
        }

        return wanted;
    }

    private ObjectiveSums Tokens(
        Objective objective, List<PretrainingSequence> sequences, HiddenStates states, float scale, bool countsRight)
    {
        int[] labels = [.. sequences.SelectMany(sequence => sequence.Labels)];
        if (labels.Length == 0)
            return default;
        var logits = objective == Objective.SpanBoundary
            ? auxiliary.SpanBoundary(
                tape, states.At(sequences, sequence => sequence.Positions, -1),
                states.At(sequences, sequence => sequence.Positions, 1))
            : head.Forward(tape, states.At(sequences, sequence => sequence.Positions));
        return CrossEntropy(logits, labels, scale, countsRight);
    }

    private ObjectiveSums InputClasses(
        Objective objective, List<PretrainingSequence> sequences, HiddenStates states, float scale, bool countsRight)
    {
        var (labels, positions) = Labels(objective, sequences);
        if (labels.Length == 0)
            return default;
        var pooled = model.Pool(tape, states.At(sequences, positions), masks: null);
        return CrossEntropy(auxiliary.InputClasses(tape, objective, pooled), labels, scale, countsRight);
    }

    private ObjectiveSums TokenClasses(
        Objective objective, List<PretrainingSequence> sequences, HiddenStates states, float scale, bool countsRight)
    {
        var (labels, positions) = Labels(objective, sequences);
        if (labels.Length == 0)
            return default;
        var logits = auxiliary.Tokens(tape, objective, states.At(sequences, positions));
        return CrossEntropy(logits, labels, scale, countsRight);
    }

    private ObjectiveSums TokenNumbers(
        Objective objective, List<PretrainingSequence> sequences, HiddenStates states, float scale)
    {
        float[] targets = [.. sequences.SelectMany(
            sequence => sequence.Numbers.TryGetValue(objective, out var numbers) ? numbers.Values : [])];
        if (targets.Length == 0)
            return default;
        var rows = states.At(
            sequences, sequence => sequence.Numbers.TryGetValue(objective, out var numbers) ? numbers.Positions : []);
        var predictions = auxiliary.Tokens(tape, objective, rows);
        return new(targets.Length, tape.SquaredError(predictions, targets, scale), 0);
    }

    private static (int[] Labels, Func<PretrainingSequence, int[]> Positions) Labels(
        Objective objective, List<PretrainingSequence> sequences)
    {
        Targets<int>? Of(PretrainingSequence sequence) => sequence.Classes.GetValueOrDefault(objective);
        return ([.. sequences.SelectMany(sequence => Of(sequence)?.Values ?? [])],
            sequence => Of(sequence)?.Positions ?? []);
    }

    private ObjectiveSums CrossEntropy(Variable logits, int[] labels, float scale, bool countsRight)
    {
        var right = countsRight ? Right(logits.Value.ToArray(), logits.Value.Columns, labels) : 0;
        return new(labels.Length, tape.SoftmaxCrossEntropy(logits, labels, scale), right);
    }

    private static int Right(ReadOnlySpan<float> logits, int classes, int[] labels)
    {
        var right = 0;
        for (var i = 0; i < labels.Length; i++)
        {
            var row = logits.Slice(i * classes, classes);
            var largest = 0;
            for (var j = 1; j < classes; j++)
            {
                if (row[j] > row[largest])
                    largest = j;
            }

            right += largest == labels[i] ? 1 : 0;
        }

        return right;
    }
}
