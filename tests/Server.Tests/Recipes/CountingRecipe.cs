using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Server.Tests.Recipes;

internal enum CountingPace
{
    [Choice("at-once")]
    AtOnce,

    [Choice("by-row")]
    ByRow
}

internal sealed record CountingFilter
{
    [Setting("Counts rows without text, too.", Name = "keep_empty", On = false)]
    public bool SkipsEmpty { get; init; } = true;
}

/// <summary>A recipe as somebody would add it: this class, its message, and a line in the list.</summary>
[Recipe("counting", "analyze count", "Counts the rows of a dataset.")]
internal sealed record CountingRecipe : Recipe
{
    private readonly int? _mostRows;

    [Setting("What is counted.", Kind = SettingKind.Dataset)]
    public required string Dataset { get; init; }

    [Setting("How it is counted.")]
    public CountingPace Pace { get; init; }

    [Setting("Where counting ends.", Min = 1, Max = 1000, Unit = "rows")]
    public int MostRows
    {
        get => _mostRows ?? (Pace == CountingPace.ByRow ? 10 : 100);
        init => _mostRows = value;
    }

    [Setting("Shares at which to say how far it is.", Above = 0, Below = 1, Otherwise = "none")]
    public IReadOnlyList<double> Marks { get; init; } = [];

    [Setting("Between two rows.", Min = 0, Unit = "seconds", Otherwise = "none")]
    public TimeSpan? Pause { get; init; }

    [SettingGroup("filter")]
    public CountingFilter Filter { get; init; } = new();

    public override IReadOnlyList<string> Models => [];

    public override IReadOnlyList<string> DatasetNames => [Dataset];

    public override RecipeMetric Metric => new("rows", "number of rows");

    public override void Validate(IRecipeInputs inputs) => SettingSet.Check(this);

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        return new(new Dictionary<string, double> { ["rows"] = MostRows });
    }
}
