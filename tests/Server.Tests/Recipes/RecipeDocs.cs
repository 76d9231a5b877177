using System.Text;
using Google.Protobuf;
using Serving.V1;

namespace Serving.Server.Tests.Recipes;

/// <summary>The files that are made from the descriptions of recipes.</summary>
internal static class RecipeDocs
{
    /// <summary>For the command line.</summary>
    public static string Json(DescribeRecipesResponse described) =>
        new JsonFormatter(JsonFormatter.Settings.Default.WithIndentation("  ").WithPreserveProtoFieldNames(true))
            .Format(described).ReplaceLineEndings("\n") + "\n";

    /// <summary>For people.</summary>
    public static string Markdown(DescribeRecipesResponse described)
    {
        var text = new StringBuilder("""
            # Recipes

            What jobs do, and their settings. A setting is a field of the recipe's message
            (`protos/serving/v1/jobs.proto`) and an option of the command line: `batch_size` is `--batch-size`.
            `Jobs.DescribeRecipes`, `GET /v1/recipes`, answers the same for programs. This file is made from the classes
            in `src/Training/Recipes`; `docs/conventions.md` says how.

            """.ReplaceLineEndings("\n"));
        foreach (var recipe in described.Recipes)
            Append(text, recipe);
        return text.ToString();
    }

    private static void Append(StringBuilder text, RecipeDescription recipe)
    {
        text.Append($"\n## serving {recipe.Command}\n\n{recipe.Help} As a message: `spec.{recipe.Recipe}`");
        foreach (var (name, value) in recipe.Given)
            text.Append($" with `{name}` {value}");
        text.Append($". What comes out: {string.Join(", ", recipe.Outputs.Select(output => Words(output)))}.");
        if (recipe.Metric.Length > 0)
            text.Append($" Judged by: {recipe.Metric}.");
        text.Append("\n\n| setting | kind | default | range | meaning |\n|---|---|---|---|---|\n");
        foreach (var setting in recipe.Settings)
        {
            string[] cells =
            [
                setting.Name,
                $"{Words(setting.Kind)}{(setting.List ? "s" : "")}",
                Default(setting),
                Range(setting),
                setting.Help
            ];
            text.Append($"| {string.Join(" | ", cells)} |\n");
        }
    }

    private static string Default(SettingDescription setting) => setting switch
    {
        { Required: true } => "must be given",
        { Kind: SettingKind.Flag } => "off",
        { Default.Length: > 0 } => setting.Default,
        _ => setting.Otherwise
    };

    private static string Range(SettingDescription setting) => string.Join("; ", ((string[])
    [
        string.Join(", ", setting.Choices.Select(choice => choice.Name)),
        $"{setting.Range} {setting.Unit}".Trim(),
        setting.Zero.Length > 0 ? $"0 for {setting.Zero}" : ""
    ]).Where(part => part.Length > 0));

    /// <returns>"task version" of TaskVersion.</returns>
    private static string Words(Enum value) => Training.Settings.SettingNames.Of(value.ToString()).Replace('_', ' ');
}
