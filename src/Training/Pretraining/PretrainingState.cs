namespace Serving.Training.Pretraining;

/// <summary>What a pretraining checkpoint holds besides tensors.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Metrics">Of the last evaluation, see <see cref="PretrainingEvaluator"/>; none before the first.</param>
/// <param name="Elapsed">Time spent training.</param>
/// <param name="Ledger">Where continual learning stands.</param>
public sealed record PretrainingState(
    long Step, IReadOnlyDictionary<string, double> Metrics, TimeSpan Elapsed, TokenLedger Ledger);
