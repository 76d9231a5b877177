using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Serving.Server.Jobs;
using Serving.Storage;
using Serving.Training.Recipes;
using Serving.Training.Settings;
using Serving.V1;
using Message = Serving.Server.Tests.Recipes.Messages.CountingRecipe;

namespace Serving.Server.Tests.Recipes;

/// <summary>A recipe that the product does not have goes the way of those that it has.</summary>
public sealed class OwnRecipeTests
{
    private static readonly RecipeKind Kind = RecipeKind.Of<CountingRecipe>();
    private static readonly RecipeReader Reader = new(Kind, (_, _) => throw new InvalidOperationException("No task."));

    [Fact]
    public void Message_BecomesTheRecipe_AndWhatIsLeftOutFollowsFromTheRest()
    {
        var left = Read(new() { Dataset = "d" });
        Assert.Equal(
            ("d", CountingPace.AtOnce, 100, true, (TimeSpan?)null),
            (left.Dataset, left.Pace, left.MostRows, left.Filter.SkipsEmpty, left.Pause));
        Assert.Equal(10, Read(new() { Dataset = "d", Pace = Messages.Pace.ByRow }).MostRows);
        var all = Read(new()
        {
            Dataset = "d",
            MostRows = 7,
            Marks = { 0.5, 0.75 },
            Pause = Duration.FromTimeSpan(TimeSpan.FromSeconds(2)),
            Filter = new() { KeepEmpty = true }
        });
        Assert.Equal(
            (7, false, TimeSpan.FromSeconds(2)), (all.MostRows, all.Filter.SkipsEmpty, all.Pause!.Value));
        Assert.Equal([0.5, 0.75], all.Marks);
    }

    [Fact]
    public void Message_ThatIsWrong_IsRefusedWithItsField()
    {
        Assert.StartsWith("spec.counting.dataset: ", Refused(new()), StringComparison.Ordinal);
        Assert.Equal(
            "spec.counting.pace: 7 is unknown; AtOnce, ByRow are known.",
            Refused(new() { Dataset = "d", Pace = (Messages.Pace)7 }));
        var high = Assert.Throws<SettingException>(
            () => Read(new() { Dataset = "d", Marks = { 0.5, 1 } }).Validate(inputs: null!));
        Assert.Equal(("marks", "It is 1; it must be above 0 and below 1 each."), (high.Setting, high.Reason));
    }

    [Fact]
    public void Description_IsMadeFromTheClass()
    {
        var described = RecipeDescriptions.Describe(Kind, Kind.Commands.Single(), Message.Descriptor);
        Assert.Equal(
            ("counting", "analyze count", "rows", false),
            (described.Recipe, described.Command, described.Metric, described.Comparable));
        Assert.Equal([RecipeOutput.Report], described.Outputs);
        Assert.Equal(
            ["dataset", "pace", "most_rows", "marks", "pause", "filter.keep_empty"],
            described.Settings.Select(setting => setting.Name));
        Assert.Equal(
            ["PACE_AT_ONCE", "PACE_BY_ROW"], described.Settings[1].Choices.Select(choice => choice.Value));
        var most = described.Settings[2];
        Assert.Equal(
            ("100", "1 to 1000", 1.0, 1000.0, "rows"), (most.Default, most.Range, most.Least, most.Most, most.Unit));
        Assert.Equal((V1.SettingKind.Flag, false), (described.Settings[5].Kind, described.Settings[5].Required));
    }

    [Fact]
    public void Recipe_IsStored_ReadAgain_AndRun()
    {
        var json = new RecipeJson([.. RecipeKinds.All, Kind]);
        var recipe = Read(new() { Dataset = "d", MostRows = 3 });
        var stored = json.Serialize<Recipe>(recipe);
        Assert.StartsWith("{\n  \"recipe\": \"counting\",", stored, StringComparison.Ordinal);
        var again = json.Parse(stored);
        Assert.Equal(stored, json.Serialize(again));
        var result = again.Run(new() { Job = "j", Folder = "", Inputs = null!, Backend = null!, Observer = null! });
        Assert.Equal(3, result.Metrics[again.Metric!.Name]);
    }

    private static CountingRecipe Read(Message message) => (CountingRecipe)Reader.Read(message, "spec.counting");

    private static string Refused(Message message) =>
        Assert.ThrowsAny<Exception>(() => Read(message)) switch
        {
            RpcException error => error.Status.Detail,
            DomainException error => error.Message,
            var other => throw other
        };
}
