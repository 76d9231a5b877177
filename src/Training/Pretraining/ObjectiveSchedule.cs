using Serving.Tensors;
using Serving.Training.Settings;

namespace Serving.Training.Pretraining;

/// <summary>How several objectives share the steps (Aroca-Ouellette and Rudzicz 2020, sec. 4).</summary>
public enum Combination
{
    /// <summary>All of them at each step.</summary>
    [Choice("sum")]
    Sum,

    /// <summary>One more after each equal part of training, in their order.</summary>
    [Choice("inc")]
    Incremental,

    /// <summary>One at each step, in turns.</summary>
    [Choice("alt")]
    Alternating,

    /// <summary>Masked language modelling and one other at each step, in turns.</summary>
    [Choice("alt+")]
    AlternatingPlus,

    /// <summary>
    /// Continual multi-task learning (Sun et al. 2020): each stage adds an objective, which gets most of the tokens
    /// while the earlier ones go on; at the end all have had equally many.
    /// </summary>
    [Choice("cmtl")]
    Continual,

    /// <summary>The same for all but masked language modelling, which is in each step.</summary>
    [Choice("cmtl+")]
    ContinualPlus
}

/// <summary>Tokens that objectives still get in a stage of continual learning.</summary>
/// <param name="Stage">From 0.</param>
/// <param name="Left">Of the stage, by objective.</param>
/// <param name="Taken">Since the beginning, by objective.</param>
public sealed record TokenLedger(int Stage, long[] Left, long[] Taken);

/// <summary>Which objectives a step has.</summary>
/// <remarks>Depends on the step, and for continual learning on the ledger, which belongs into checkpoints.</remarks>
public sealed class ObjectiveSchedule
{
    private readonly Combination _combination;
    private readonly IReadOnlyList<Objective> _all;
    private readonly IReadOnlyList<Objective> _others;
    private readonly IReadOnlyList<Objective> _shared;
    private readonly long _steps;
    private readonly long _tokens;
    private readonly ulong _key;

    /// <param name="others">All but masked language modelling, in their order.</param>
    /// <param name="steps">In all.</param>
    /// <param name="tokensOfStep">Mean tokens of a step with given objectives; for continual learning.</param>
    public ObjectiveSchedule(
        Combination combination, IReadOnlyList<Objective> others, long steps,
        Func<IReadOnlySet<Objective>, double> tokensOfStep, ulong seed)
    {
        _combination = others.Count == 0 ? Combination.Sum : combination;
        _others = others;
        _all = [Objective.MaskedLanguageModel, .. others];
        _shared = combination == Combination.ContinualPlus ? _others : _all;
        _steps = steps;
        _key = seed;
        Ledger = new(-1, new long[_shared.Count], new long[_shared.Count]);

        // An equal share of tokens for each; since some objectives take fewer tokens in a step: the harmonic mean.
        _tokens = IsContinual
            ? (long)(steps * _shared.Count / Enumerable.Range(0, _shared.Count)
                .Sum(i => 1 / tokensOfStep(Continual(i))))
            : 0;
    }

    /// <summary>Where continual learning stands; an empty one otherwise.</summary>
    public TokenLedger Ledger { get; set; }

    private bool IsContinual => _combination is Combination.Continual or Combination.ContinualPlus;

    /// <summary>The objectives of a step.</summary>
    /// <param name="step">From 1.</param>
    public IReadOnlySet<Objective> At(long step) => _combination switch
    {
        Combination.Sum => _all.ToHashSet(),
        Combination.Incremental => _all.Take((int)Math.Min(_all.Count, 1 + ((step - 1) * _all.Count / _steps)))
            .ToHashSet(),
        Combination.Alternating => [_all[(int)((step - 1) % _all.Count)]],
        Combination.AlternatingPlus => [Objective.MaskedLanguageModel, _others[(int)((step - 1) % _others.Count)]],
        _ => Continual(Draw(step))
    };

    /// <summary>Notes the tokens of a step, on which the next step's objectives depend.</summary>
    public void Taken(long step, long tokens)
    {
        if (!IsContinual)
            return;
        var chosen = Draw(step);
        Ledger.Left[chosen] = Math.Max(0, Ledger.Left[chosen] - tokens);
        Ledger.Taken[chosen] += tokens;
    }

    /// <summary>The tokens of a stage, by objective.</summary>
    /// <remarks>
    /// For n objectives, X tokens and u = X / (n (n + 1)), the new objective gets u (stage + 2), each earlier one u;
    /// stages count from 0.
    /// </remarks>
    public static long[] Stage(int stage, int objectives, long tokens)
    {
        var unit = tokens / ((long)objectives * (objectives + 1));
        return [.. Enumerable.Range(0, objectives).Select(
            objective => objective < stage ? unit : objective == stage ? unit * (stage + 2) : 0)];
    }

    private HashSet<Objective> Continual(int chosen) =>
        _combination == Combination.Continual ? [_all[chosen]] : [Objective.MaskedLanguageModel, _others[chosen]];

    /// <summary>Draws an objective in proportion to the tokens left to it; after the last stage, uniformly.</summary>
    private int Draw(long step)
    {
        while (Ledger.Left.Sum() == 0 && Ledger.Stage < _shared.Count)
        {
            var stage = Ledger.Stage + 1;
            Ledger = Ledger with
            {
                Stage = stage,
                Left = stage < _shared.Count ? Stage(stage, _shared.Count, _tokens) : new long[_shared.Count]
            };
        }

        var uniform = CounterRandom.Uniform(_key, (ulong)step);
        var sum = Ledger.Left.Sum();
        if (sum == 0)
            return (int)(uniform * _shared.Count);
        var (chosen, at) = (0, uniform * sum);
        while (chosen < _shared.Count - 1 && (at >= Ledger.Left[chosen] || Ledger.Left[chosen] == 0))
            at -= Ledger.Left[chosen++];
        return chosen;
    }
}
