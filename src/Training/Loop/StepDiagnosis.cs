using System.Globalization;
using Serving.Tensors;
using Serving.Training.Autograd;

namespace Serving.Training.Loop;

/// <summary>What people need to find the cause of a loss that jumps or is no number. Changes nothing.</summary>
/// <param name="parameters">All, with the gradients of the step.</param>
/// <param name="source">What the step learned from.</param>
internal sealed class StepDiagnosis(TrainingBackend backend, IReadOnlyList<Parameter> parameters, string source)
{
    private const int Named = 3;
    private const double Growth = 2; // From which on losses count as rising.

    /// <param name="usual">The median of the losses before.</param>
    public string OfJump(double loss, double usual, long step) => string.Create(
        CultureInfo.InvariantCulture,
        $"The loss jumps from about {usual:G4} to {loss:G4} at step {step}. {Where()}");

    /// <param name="what">What is no finite number: a sentence with the step.</param>
    /// <param name="losses">Those of the steps before, in their order.</param>
    public string OfDivergence(string what, long step, IReadOnlyList<double> losses) =>
        $"{what} {Where()} {Remedy(step, losses)}";

    private string Where()
    {
        var gradients = parameters.Where(parameter => parameter.IsTrained)
            .Select(parameter => (parameter.Name, Norm: Norm(parameter.Gradient)))
            .OrderByDescending(gradient => double.IsFinite(gradient.Norm) ? gradient.Norm : double.PositiveInfinity)
            .Take(Named)
            .Select(gradient => string.Create(
                CultureInfo.InvariantCulture, $"{gradient.Name} (norm {gradient.Norm:G4})"));
        var broken = parameters.Where(parameter => !double.IsFinite(Norm(parameter.Value)))
            .Select(parameter => parameter.Name)
            .ToList();
        var weights = broken.Count == 0
            ? ""
            : $" Weights that are not finite, in {broken.Count} tensors: {string.Join(", ", broken.Take(Named))}.";
        return $"Its batch: {source}. The largest gradients: {string.Join(", ", gradients)}.{weights}";
    }

    private static string Remedy(long step, IReadOnlyList<double> losses)
    {
        if (step == 1)
            return "No step was made before, so it is not the learning rate: look at these rows and at the model.";
        if (losses.Count == 0)
            return "Look at these rows and tensors.";
        return losses[^1] > Growth * losses.Min()
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"The loss rose from {losses.Min():G4} to {losses[^1]:G4} before: lower the learning rate, or clip "
                + $"gradients.")
            : string.Create(
                CultureInfo.InvariantCulture,
                $"The loss before was {losses[^1]:G4} and did not rise: look at these rows and tensors first.");
    }

    private double Norm(Tensor tensor)
    {
        using var sum = backend.AllocateScalars(1);
        backend.SumOfSquares(tensor, sum[0]);
        var squares = 0.0;
        sum.Read(new Span<double>(ref squares));
        return Math.Sqrt(squares);
    }
}
