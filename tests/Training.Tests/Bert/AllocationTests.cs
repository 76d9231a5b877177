using Serving.Testing;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Optimization;

namespace Serving.Training.Tests.Bert;

public sealed class AllocationTests
{
    /// <summary>Of a small model: mostly the operations and their variables, whatever its size.</summary>
    [Fact]
    public void Step_OnceWarm_StaysWithinItsBudget()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var head = new ClassifierHead(backend, Small.Labels, Small.Config.Hidden, seed: 2, isTrained: true);
        model.TrainAll();
        using var optimizer = new AdamOptimizer(backend, [.. model.Parameters, .. head.Parameters], new());
        using var tape = new Tape(backend);
        var examples = Small.Examples(8, seed: 3);
        const int runs = 20;
        var bytes = Allocations.OnceWarm(
            () =>
            {
                Small.Step(tape, model, head, masks: null, examples, new(key: 1, 0.1f, 0.1f));
                optimizer.Step(1e-4f);
            },
            runs);
        AllocationBudget.AssertWithin("training.step.bytes", (double)bytes / runs);
    }
}
