using Serving.Tensors.Tests.Reference;

namespace Serving.Tensors.Tests.Conformance;

/// <summary>Each operation, on ragged shapes and strided views, gives what the reference backend gives.</summary>
public abstract class ComparisonSuite<TBackends>
    where TBackends : ITestBackends
{
    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (var name in TBackends.Names)
        {
            foreach (var operation in Operations.All.Keys)
                cases.Add(name, operation);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Operation_GivesWhatTheReferenceGives(string name, string operation)
    {
        using var backend = TBackends.Create(name, threads: 2);
        using var reference = new ReferenceBackend();
        var expected = Run(reference, operation);
        var actual = Run(backend, operation);
        Assert.Equal(expected.Count, actual.Count);
        for (var i = 0; i < expected.Count; i++)
            Derivative.AssertClose(expected[i], [.. actual[i].Select(value => (float)value)], Tolerance.Operation);
    }

    private static List<double[]> Run(TrainingBackend backend, string operation)
    {
        using var operands = new Operands(backend);
        Operations.All[operation](operands);
        return operands.Results();
    }
}
