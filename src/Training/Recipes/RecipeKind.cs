using System.Reflection;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>A way to ask for a recipe: `serving train mask`.</summary>
public sealed class RecipeCommand
{
    internal RecipeCommand(RecipeKind kind, RecipeAttribute declared)
    {
        Verbs = declared.Command;
        Help = declared.Help;
        Given = declared.Setting is null ? null : kind.Settings.Find(declared.Setting)
            ?? throw new ArgumentException($"{kind.Name} has no setting {declared.Setting}.", nameof(declared));
        Prototype = kind.New();
        Given?.Set(Prototype, declared.Value!);
        Settings = [.. kind.Settings.Offered.Where(setting =>
            setting != Given && (setting.For is null || setting.For.Equals(declared.Value)))];
    }

    /// <summary>"train mask"</summary>
    public string Verbs { get; }

    public string Help { get; }

    /// <summary>The setting that the command itself gives; null for none.</summary>
    public Setting? Given { get; }

    /// <summary>The recipe with all defaults; what is required is left out.</summary>
    public Recipe Prototype { get; }

    /// <summary>The settings that say something to it, but for <see cref="Given"/>.</summary>
    public IReadOnlyList<Setting> Settings { get; }
}

/// <summary>A class of recipes, as its attributes declare it.</summary>
public sealed class RecipeKind
{
    private RecipeKind(Type type)
    {
        Type = type;
        Settings = SettingSet.Of(type);
        var declared = type.GetCustomAttributes<RecipeAttribute>().ToList();
        Name = declared[0].Name;
        Commands = [.. declared.Select(each => new RecipeCommand(this, each))];
    }

    /// <summary>Of its message in the specification of a job, and in what is stored: "mask_similarity".</summary>
    public string Name { get; }

    public Type Type { get; }

    public SettingSet Settings { get; }

    public IReadOnlyList<RecipeCommand> Commands { get; }

    public static RecipeKind Of<T>()
        where T : Recipe => new(typeof(T));

    /// <returns>A recipe with all defaults; what is required is left out.</returns>
    public Recipe New() => (Recipe)Settings.New();
}
