using System.Text.Json;

namespace Serving.Testing;

/// <summary>Budgets of allocated bytes, from bench/allocation-budget.json, which lies beside the tests.</summary>
internal static class AllocationBudget
{
    /// <param name="name">A key of the file, as a literal, which a test of the conventions looks for.</param>
    /// <param name="bytes">What was allocated on the managed heap.</param>
    public static void AssertWithin(string name, double bytes)
    {
        var path = Path.Combine(AppContext.BaseDirectory, "allocation-budget.json");
        using var budgets = JsonDocument.Parse(File.ReadAllText(path));
        var budget = budgets.RootElement.GetProperty(name).GetDouble();
        Assert.True(bytes <= budget, $"{name}: {bytes:F1} bytes were allocated; the budget is {budget}.");
    }
}
