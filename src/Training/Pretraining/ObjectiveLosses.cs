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
    /// <param name="totals">What losses and predictions are added to.</param>
    /// <param name="countsRight">Whether right predictions are counted, which costs time.</param>
    public void Run(
        IReadOnlyList<PretrainingExample> examples,
        IReadOnlySet<Objective> objectives,
        IReadOnlyDictionary<Objective, int>? counts,
        DropoutKeys dropout,
        ObjectiveTotals totals,
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
        foreach (var objective in objectives)
        {
            var scale = counts is null ? 0 : 1f / Math.Max(1, counts[objective]);
            var to = new Target(objective, scale, totals, countsRight);
            var predictions = Objectives.Of(objective).Predicts switch
            {
                Prediction.Token => Tokens(sequences, states, to),
                Prediction.InputClass => InputClasses(sequences, states, to),
                Prediction.TokenClass => TokenClasses(sequences, states, to),
                Prediction.TokenNumber => TokenNumbers(sequences, states, to),
                _ => objective == Objective.QuickThoughts
                    ? _neighbors.QuickThoughts(examples, states, scale, totals)
                    : _neighbors.FastSent(examples, states, scale, totals)
            };
            totals.Count(objective, predictions);
        }
    }

    /// <summary>The same, read at once.</summary>
    public Dictionary<Objective, ObjectiveSums> Run(
        IReadOnlyList<PretrainingExample> examples,
        IReadOnlySet<Objective> objectives,
        IReadOnlyDictionary<Objective, int>? counts,
        DropoutKeys dropout,
        bool countsRight = false)
    {
        using var totals = new ObjectiveTotals(tape.Backend);
        Run(examples, objectives, counts, dropout, totals, countsRight);
        return totals.Read();
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

    private int Tokens(List<PretrainingSequence> sequences, HiddenStates states, Target to)
    {
        int[] labels = [.. sequences.SelectMany(sequence => sequence.Labels)];
        if (labels.Length == 0)
            return 0;
        var logits = to.Objective == Objective.SpanBoundary
            ? auxiliary.SpanBoundary(
                tape, states.At(sequences, sequence => sequence.Positions, -1),
                states.At(sequences, sequence => sequence.Positions, 1))
            : head.Forward(tape, states.At(sequences, sequence => sequence.Positions));
        return CrossEntropy(logits, labels, to);
    }

    private int InputClasses(List<PretrainingSequence> sequences, HiddenStates states, Target to)
    {
        var (labels, positions) = Labels(to.Objective, sequences);
        if (labels.Length == 0)
            return 0;
        var pooled = model.Pool(tape, states.At(sequences, positions), masks: null);
        return CrossEntropy(auxiliary.InputClasses(tape, to.Objective, pooled), labels, to);
    }

    private int TokenClasses(List<PretrainingSequence> sequences, HiddenStates states, Target to)
    {
        var (labels, positions) = Labels(to.Objective, sequences);
        if (labels.Length == 0)
            return 0;
        var logits = auxiliary.Tokens(tape, to.Objective, states.At(sequences, positions));
        return CrossEntropy(logits, labels, to);
    }

    private int TokenNumbers(List<PretrainingSequence> sequences, HiddenStates states, Target to)
    {
        float[] targets = [.. sequences.SelectMany(
            sequence => sequence.Numbers.TryGetValue(to.Objective, out var numbers) ? numbers.Values : [])];
        if (targets.Length == 0)
            return 0;
        var rows = states.At(
            sequences,
            sequence => sequence.Numbers.TryGetValue(to.Objective, out var numbers) ? numbers.Positions : []);
        var predictions = auxiliary.Tokens(tape, to.Objective, rows);
        tape.SquaredError(predictions, targets, to.Scale, to.Totals.Loss(to.Objective));
        return targets.Length;
    }

    private static (int[] Labels, Func<PretrainingSequence, int[]> Positions) Labels(
        Objective objective, List<PretrainingSequence> sequences)
    {
        Targets<int>? Of(PretrainingSequence sequence) => sequence.Classes.GetValueOrDefault(objective);
        return ([.. sequences.SelectMany(sequence => Of(sequence)?.Values ?? [])],
            sequence => Of(sequence)?.Positions ?? []);
    }

    private int CrossEntropy(Variable logits, int[] labels, Target to)
    {
        var classes = tape.Indices(labels);
        if (to.CountsRight)
            tape.Backend.CountCorrect(logits.Value, classes, to.Totals.Right(to.Objective));
        tape.SoftmaxCrossEntropy(logits, classes, to.Scale, to.Totals.Loss(to.Objective));
        return labels.Length;
    }

    /// <summary>Where an objective's loss goes, and what its gradient is multiplied by.</summary>
    private readonly record struct Target(
        Objective Objective, float Scale, ObjectiveTotals Totals, bool CountsRight);
}
