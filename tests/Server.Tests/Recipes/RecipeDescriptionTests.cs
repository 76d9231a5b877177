using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Serving.Server.Jobs;
using Serving.Training.Recipes;
using Serving.Training.Settings;
using Serving.V1;

namespace Serving.Server.Tests.Recipes;

/// <summary>What is said of settings, to programs, to people and on the command line, is what is checked.</summary>
public sealed class RecipeDescriptionTests
{
    /// <summary>Set, the files are written instead of compared.</summary>
    private const string WriteVariable = "SERVING_WRITE_DOCS";

    public static TheoryData<string> Commands =>
        [.. RecipeDescriptions.All.Recipes.Select(recipe => recipe.Command)];

    [Fact]
    public void Files_AreMadeFromTheDescriptions()
    {
        AssertFile("src/Cli/recipes.json", RecipeDocs.Json(RecipeDescriptions.All));
        AssertFile("docs/recipes.md", RecipeDocs.Markdown(RecipeDescriptions.All));
    }

    [Fact]
    public async Task DescribeRecipes_AnswersThem()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal(RecipeDescriptions.All, await server.Client.Jobs.DescribeRecipesAsync(new()));
    }

    /// <summary>No field of a message without a setting, no setting without a field.</summary>
    [Fact]
    public void Settings_AreTheFieldsOfTheMessages()
    {
        Assert.Equal(RecipeMessages.Messages.Keys.Order(), RecipeKinds.All.Select(kind => kind.Name).Order());
        foreach (var kind in RecipeKinds.All)
        {
            var offered = kind.Settings.Offered.Select(setting => setting.Name);
            var fields = Paths(kind, RecipeMessages.Messages[kind.Name], "");
            Assert.Equal(fields.Where(path => !kind.Settings.IsWithheld(path)).Order(), offered.Order());
        }
    }

    /// <summary>A value at a bound is taken; the next one is refused, with the setting and the range.</summary>
    [Theory]
    [MemberData(nameof(Commands))]
    public void Bounds_AreThoseThatAreChecked(string command)
    {
        var (kind, described) = Find(command);
        foreach (var setting in described.Settings)
        {
            var declared = kind.Settings.Find(setting.Name)!;
            var step = setting.Kind == V1.SettingKind.Number ? 1e-3 : 1;
            if (setting.HasLeast)
                AssertBound(kind, declared, setting, taken: setting.Least, refused: setting.Least - step);
            if (setting.HasAbove)
                AssertBound(kind, declared, setting, taken: setting.Above + step, refused: setting.Above - step);
            if (setting.HasMost)
                AssertBound(kind, declared, setting, taken: setting.Most, refused: setting.Most + step);
            if (setting.HasBelow)
                AssertBound(kind, declared, setting, taken: setting.Below - step, refused: setting.Below);
        }
    }

    /// <summary>What is described as the default is what an empty message gives.</summary>
    [Theory]
    [MemberData(nameof(Commands))]
    public void Defaults_AreThoseOfAMessageThatLeavesAllOut(string command)
    {
        var (kind, described) = Find(command);
        var message = RecipeMessages.Messages[kind.Name].Parser.ParseFrom(ByteString.Empty);
        foreach (var (name, value) in described.Given)
            Give(message, name, field => Enum.ToObject(
                field.EnumType.ClrType, field.EnumType.FindValueByName(value).Number));
        foreach (var setting in described.Settings.Where(setting => setting.Required && !setting.List))
            Give(message, setting.Name, field => field.FieldType == FieldType.String ? "x" : new TaskReference());
        var recipe = new RecipeReader(kind, (_, _) => new("t", "v", "m")).Read(message, "spec");

        Assert.NotEmpty(described.Settings);
        foreach (var setting in described.Settings.Where(setting => !setting.Required))
        {
            var declared = kind.Settings.Find(setting.Name)!;
            Assert.Equal((setting.Name, setting.Default), (setting.Name, declared.Describe(recipe)));
            Assert.True(
                setting.Default.Length > 0 || setting.Otherwise.Length > 0 || setting.Kind == V1.SettingKind.Flag,
                $"{command}: {setting.Name} says nothing of being left out.");
        }
    }

    private static (RecipeKind Kind, RecipeDescription Described) Find(string command)
    {
        var described = RecipeDescriptions.All.Recipes.Single(recipe => recipe.Command == command);
        return (RecipeKinds.All.Single(kind => kind.Name == described.Recipe), described);
    }

    private static void AssertBound(
        RecipeKind kind, Setting declared, SettingDescription setting, double taken, double refused)
    {
        Check(taken);
        var wrong = Assert.Throws<SettingException>(() => Check(refused));
        Assert.Equal(setting.Name, wrong.Setting);
        Assert.EndsWith($"; it must be {setting.Range}.", wrong.Reason, StringComparison.Ordinal);

        void Check(double value)
        {
            var recipe = kind.New();
            declared.Set(recipe, setting.Kind switch
            {
                V1.SettingKind.Duration => TimeSpan.FromSeconds(value),
                V1.SettingKind.Integer => Convert.ToInt64(value, CultureInfo.InvariantCulture),
                _ => (object)value
            });
            declared.Check(recipe);
        }
    }

    private static void Give(IMessage message, string path, Func<FieldDescriptor, object> value)
    {
        var names = path.Split('.');
        foreach (var name in names.SkipLast(1))
        {
            var group = message.Descriptor.FindFieldByName(name);
            if (group.Accessor.GetValue(message) is null)
                group.Accessor.SetValue(message, group.MessageType.Parser.ParseFrom(ByteString.Empty));
            message = (IMessage)group.Accessor.GetValue(message);
        }

        var field = message.Descriptor.FindFieldByName(names[^1]);
        field.Accessor.SetValue(message, value(field));
    }

    private static IEnumerable<string> Paths(RecipeKind kind, MessageDescriptor message, string prefix) =>
        message.Fields.InDeclarationOrder().SelectMany(field => kind.Settings.HasGroup(prefix + field.Name)
            ? Paths(kind, field.MessageType, $"{prefix}{field.Name}.")
            : [prefix + field.Name]);

    private static void AssertFile(string path, string expected)
    {
        var file = Path.Combine(Root(), path);
        if (Environment.GetEnvironmentVariable(WriteVariable) is { Length: > 0 })
            File.WriteAllText(file, expected);
        Assert.True(
            File.Exists(file) && File.ReadAllText(file).ReplaceLineEndings("\n") == expected,
            $"{path} is not what the recipes declare; run this test with {WriteVariable}=1 and look at what changed.");
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Serving.sln")))
            folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
