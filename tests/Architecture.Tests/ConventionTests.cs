using System.Text.Json;
using System.Text.RegularExpressions;

namespace Serving.Architecture.Tests;

/// <summary>Conventions that a machine can hold.</summary>
public sealed partial class ConventionTests
{
    private const int MaxLines = 800;
    private const int MaxColumns = 120;

    [Fact]
    public void PathsInBackticks_Exist()
    {
        var missing = new List<string>();
        foreach (var document in Repository.Files(".", "*.md"))
        {
            foreach (Match match in PathInBackticks().Matches(Repository.Read(document)))
            {
                var path = match.Groups[1].Value;
                if (!Repository.Exists(path))
                {
                    missing.Add($"{document}: {path}");
                }
            }
        }

        Assert.Empty(missing);
    }

    [Fact]
    public void Files_AreNoLongerThanTheLimit() => Assert.All(
        Repository.Files(".", "*.cs"),
        file => Assert.True(
            Repository.Read(file).Count(c => c == '\n') <= MaxLines, $"{file} has over {MaxLines} lines."));

    /// <summary>Columns count characters, not bytes. A line with a URL may be longer.</summary>
    [Theory]
    [InlineData("*.cs")]
    [InlineData("*.proto")]
    [InlineData("*.sh")]
    [InlineData("*.py")]
    [InlineData("*.js")]
    [InlineData("*.mjs")]
    [InlineData("*.csproj")]
    [InlineData("*.props")]
    public void Lines_FitIntoTheColumns(string pattern)
    {
        var tooLong = Repository.Files(".", pattern).SelectMany(file => Repository.Read(file).Split('\n').Index()
            .Where(line => line.Item.EnumerateRunes().Count() > MaxColumns)
            .Where(line => !line.Item.Contains("://", StringComparison.Ordinal))
            .Select(line => $"{file}:{line.Index + 1}"));
        Assert.Empty(tooLong);
    }

    [Fact]
    public void AllocationBudgets_AreTested()
    {
        using var budgets = JsonDocument.Parse(Repository.Read("bench/allocation-budget.json"));
        var tests = Repository.Files("tests", "*.cs").Select(Repository.Read).ToList();
        Assert.All(budgets.RootElement.EnumerateObject(), budget => Assert.Contains(
            tests, test => test.Contains($"\"{budget.Name}\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void Tests_DoNotSleep()
    {
        // Written so that this file does not find itself.
        string[] sleeping = ["Thread" + ".Sleep", "Task" + ".Delay("];
        Assert.All(
            Repository.Files("tests", "*.cs"),
            file => Assert.DoesNotContain(
                sleeping, call => Repository.Read(file).Contains(call, StringComparison.Ordinal)));
    }

    [Fact]
    public void Suppressions_AreOnlyInTheEditorConfig() => Assert.All(
        Repository.Files("src", "*.cs"),
        file => Assert.DoesNotContain("#pragma" + " warning", Repository.Read(file), StringComparison.Ordinal));

    /// <summary>Paths from the root: "src/...", "tests/..." and so on.</summary>
    [GeneratedRegex(@"`((?:src|tests|docs|bench|protos|models|helm|\.ci)/[A-Za-z0-9_./-]*)`")]
    private static partial Regex PathInBackticks();
}
