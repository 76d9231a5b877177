using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Layers;

namespace Serving.Training.Loop;

/// <summary>What a <see cref="TrainingLoop{TExample, TReport, TState}"/> trains.</summary>
/// <typeparam name="TExample">What a batch is made of.</typeparam>
/// <typeparam name="TReport">What an evaluation gives.</typeparam>
/// <typeparam name="TState">
/// What a checkpoint holds besides tensors; plain data that turns into JSON and back without loss.
/// </typeparam>
internal interface ILearner<TExample, TReport, TState>
    where TReport : class
    where TState : class
{
    /// <summary>All parameters; those that are frozen are not moved.</summary>
    IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>A copy of what is kept of the best state; null where evaluations are not compared.</summary>
    BestState? Best { get; }

    /// <summary>What else checkpoints hold: tensors that the learner itself moves, by name; nothing by default.
    /// </summary>
    IEnumerable<(string Name, Tensor Tensor)> Others => [];

    /// <summary>Begins a step: makes its examples.</summary>
    /// <param name="step">From 1.</param>
    /// <param name="epoch">From 0.</param>
    /// <param name="items">What the step learns from, numbered as in <see cref="DataOrder"/>.</param>
    IStep<TExample> Begin(long step, long epoch, ReadOnlySpan<int> items);

    /// <summary>What a step learned from, for people: files and lines.</summary>
    /// <param name="items">Numbered as in <see cref="DataOrder"/>.</param>
    string Describe(IReadOnlyList<int> items);

    /// <summary>Tokens of an example.</summary>
    int Tokens(TExample example);

    /// <summary>
    /// Adds to a step's gradients what does not come from its examples, and moves what the learner itself moves;
    /// nothing by default.
    /// </summary>
    /// <param name="step">From 1.</param>
    void Penalize(long step)
    {
    }

    /// <summary>Evaluates the present state.</summary>
    /// <exception cref="Optimization.DivergedException">It is not worth going on.</exception>
    Evaluation<TReport> Evaluate(RunState<TReport> state, CancellationToken cancellationToken);

    /// <summary>What a checkpoint holds.</summary>
    TState ToCheckpoint(RunState<TReport> state);

    /// <summary>Goes on where a checkpoint was made.</summary>
    RunState<TReport> Resume(TState checkpoint);
}

/// <summary>A step's examples and their loss, which is computed part by part.</summary>
internal interface IStep<TExample>
{
    IReadOnlyList<TExample> Examples { get; }

    /// <summary>The loss of the parts so far: at the end, the step's mean.</summary>
    double Loss { get; }

    /// <summary>Runs some examples forward; the gradient of their part of the mean waits on the tape.</summary>
    void Forward(IReadOnlyList<TExample> part, DropoutKeys dropout);
}
