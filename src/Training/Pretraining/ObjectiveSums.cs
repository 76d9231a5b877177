namespace Serving.Training.Pretraining;

/// <summary>Sums of an objective over some examples.</summary>
/// <param name="Count">Predictions.</param>
/// <param name="Loss">The sum of their losses.</param>
/// <param name="Right">Predictions that are right, or the sum of cosines of right pairs.</param>
public readonly record struct ObjectiveSums(int Count, double Loss, double Right)
{
    public static ObjectiveSums operator +(ObjectiveSums a, ObjectiveSums b) =>
        new(a.Count + b.Count, a.Loss + b.Loss, a.Right + b.Right);
}
