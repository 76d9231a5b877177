using Google.Protobuf.Reflection;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Server.Jobs;

/// <summary>Describes recipes as their declarations do.</summary>
internal static class RecipeDescriptions
{
    public static V1.DescribeRecipesResponse All { get; } = new()
    {
        Recipes =
        {
            RecipeKinds.All.SelectMany(kind => kind.Commands.Select(
                command => Describe(kind, command, RecipeMessages.Messages[kind.Name])))
        }
    };

    /// <param name="message">The message that asks for it.</param>
    public static V1.RecipeDescription Describe(RecipeKind kind, RecipeCommand command, MessageDescriptor message)
    {
        var recipe = command.Prototype;
        var described = new V1.RecipeDescription
        {
            Recipe = kind.Name,
            Command = command.Verbs,
            Help = command.Help,
            Settings = { command.Settings.Select(setting => Describe(setting, recipe, message)) },
            Outputs = { Outputs(recipe.Outputs) },
            Metric = recipe.Metric?.Name ?? "",
            Comparable = recipe is IComparableRecipe
        };
        if (command.Given is { } given)
            described.Given.Add(
                given.Name, WireNames.Of(Field(message, given.Name).EnumType, (Enum)given.Get(recipe)!));
        return described;
    }

    private static V1.SettingDescription Describe(Setting setting, Recipe recipe, MessageDescriptor message)
    {
        var field = Field(message, setting.Name);
        var described = new V1.SettingDescription
        {
            Name = setting.Name,
            Kind = Enum.Parse<V1.SettingKind>(setting.Kind.ToString()),
            List = setting.IsList,
            Required = setting.IsRequired,
            Default = setting.IsRequired ? "" : setting.Describe(recipe),
            Otherwise = setting.Describe(recipe).Length == 0 ? setting.Otherwise ?? "" : "",
            Zero = setting.Zero ?? "",
            Range = setting.Needed ?? "",
            Unit = setting.Unit ?? "",
            Help = setting.Help,
            Choices =
            {
                setting.Choices.Select(choice => new V1.SettingChoice
                {
                    Name = choice.Name,
                    Value = WireNames.Of(field.EnumType, choice.Value)
                })
            }
        };
        if (setting.Range is { Least: { } least } lower)
        {
            if (lower.IsAbove)
                described.Above = least;
            else
                described.Least = least;
        }

        if (setting.Range is { Most: { } most } upper)
        {
            if (upper.IsBelow)
                described.Below = most;
            else
                described.Most = most;
        }

        return described;
    }

    private static IEnumerable<V1.RecipeOutput> Outputs(RecipeOutputs outputs) =>
        Enum.GetValues<V1.RecipeOutput>().Where(output => output != V1.RecipeOutput.Unspecified
            && outputs.HasFlag(Enum.Parse<RecipeOutputs>(output.ToString())));

    /// <param name="setting">A path of fields: "mask.layers".</param>
    private static FieldDescriptor Field(MessageDescriptor message, string setting)
    {
        var names = setting.Split('.');
        foreach (var group in names.SkipLast(1))
            message = message.FindFieldByName(group).MessageType;
        return message.FindFieldByName(names[^1])
            ?? throw new InvalidOperationException($"{message.FullName} has no field for the setting {setting}.");
    }
}
