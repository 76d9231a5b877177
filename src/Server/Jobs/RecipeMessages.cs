using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Serving.Catalog;
using Serving.Server.Requests;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Server.Jobs;

/// <summary>From the specification of a job to its recipe.</summary>
internal static class RecipeMessages
{
    private const string Prefix = "spec";

    /// <summary>The group of fields of which one names the recipe.</summary>
    private static readonly OneofDescriptor Group = V1.JobSpec.Descriptor.Oneofs.Single(each => each.Name == "recipe");

    /// <summary>The messages of all recipes, by their names.</summary>
    public static IReadOnlyDictionary<string, MessageDescriptor> Messages { get; } =
        Group.Fields.ToDictionary(field => field.Name, field => field.MessageType, StringComparer.Ordinal);

    /// <param name="table">Where aliases are looked up: the recipe names versions.</param>
    /// <exception cref="RpcException">
    /// INVALID_ARGUMENT: something is missing or no name. NOT_FOUND: a task or version is.
    /// </exception>
    public static Recipe Recipe(V1.JobSpec spec, RoutingTable table)
    {
        var field = Group.Accessor.GetCaseFieldDescriptor(spec) ?? throw Errors.InvalidArgument(
            $"{Prefix}.recipe",
            "It is missing; say what is to be done: a classifier, a pretraining, an evaluation or an analysis.");
        var kind = RecipeKinds.All.Single(each => each.Name == field.Name);
        var recipe = new RecipeReader(kind, (reference, at) => Task(reference, table, at))
            .Read((IMessage)field.Accessor.GetValue(spec), $"{Prefix}.{field.Name}");
        return recipe is IComparableRecipe comparable && Incumbent(spec.Publish, table) is { } incumbent
            ? comparable.With(incumbent)
            : recipe;
    }

    /// <summary>The path of a recipe's setting: "spec.classifier.learning_rate".</summary>
    public static string Field(V1.JobSpec spec, string setting) => setting == IComparableRecipe.IncumbentSetting
        ? $"{Prefix}.publish.not_below_current"
        : $"{Prefix}.{Group.Accessor.GetCaseFieldDescriptor(spec).Name}.{setting}";

    /// <summary>Writes into a specification what its recipe took for settings that are left out and follow.</summary>
    public static void SetAutomatic(V1.JobSpec spec, Recipe recipe)
    {
        var field = Group.Accessor.GetCaseFieldDescriptor(spec);
        foreach (var setting in RecipeKinds.All.Single(each => each.Name == field.Name).Settings.Offered)
        {
            if (setting.Otherwise != Setting.Auto || setting.Get(recipe) is not float value)
                continue;
            var message = (IMessage)field.Accessor.GetValue(spec);
            var names = setting.Name.Split('.');
            foreach (var group in names.SkipLast(1))
                message = (IMessage)message.Descriptor.FindFieldByName(group).Accessor.GetValue(message);
            // With a float's digits, not with those of the double next to it.
            var number = double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
            message.Descriptor.FindFieldByName(names[^1]).Accessor.SetValue(message, number);
        }
    }

    private static VersionInput Task(V1.TaskReference reference, RoutingTable table, string field)
    {
        var task = reference.ToSelector();
        var version = table.Desired.Find(task, field);
        return new(task.Task, version.Version, table.ModelName(task.Task, version));
    }

    /// <summary>What publishing is to compare with; null if it is not to, or there is nothing yet.</summary>
    private static VersionInput? Incumbent(V1.Publish? publish, RoutingTable table)
    {
        if (publish is not { NotBelowCurrent: true })
            return null;
        var known = table.Tasks.GetValueOrDefault(publish.Task)?.Aliases.Aliases.ContainsKey(publish.Alias) ?? false;
        return known
            ? Task(new() { Task = publish.Task, Alias = publish.Alias }, table, $"{Prefix}.publish.task")
            : null;
    }
}
