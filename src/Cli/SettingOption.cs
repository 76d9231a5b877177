using System.Collections;
using System.CommandLine;
using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Serving.V1;
using Duration = Google.Protobuf.WellKnownTypes.Duration;

namespace Serving.Cli;

/// <summary>An option for a setting of a recipe.</summary>
internal abstract class SettingOption
{
    /// <summary>Shorter names, by setting.</summary>
    private static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal)
    {
        ["batch_size"] = "--batch",
        ["datasets"] = "--dataset",
        ["held_out_documents"] = "--held-out",
        ["hidden_size"] = "--hidden",
        ["sequence_length"] = "--length",
        ["store_bfloat16"] = "--bfloat16",
        ["validation_dataset"] = "--validation",
        ["validation_datasets"] = "--validation",
        ["vocabulary_size"] = "--vocabulary"
    };

    /// <summary>Says what leaving an option out says: the value follows from the model.</summary>
    protected const string Auto = "auto";

    public abstract Option Option { get; }

    /// <summary>Sets the field, if the option was given.</summary>
    public abstract void Set(ParseResult parsed, IMessage message);

    /// <param name="message">That of the recipe.</param>
    public static IReadOnlyList<SettingOption> Of(RecipeDescription recipe, MessageDescriptor message) =>
    [
        .. recipe.Settings.Select(setting => Of(setting, MessageFields.Find(message, setting.Name))),
        .. recipe.Settings.Where(setting => setting.Name == "initialization").Select(NormalInitialization)
    ];

    /// <returns>"--batch-size" of "base.batch_size".</returns>
    public static string NameOf(SettingDescription setting) => $"--{Last(setting).Replace('_', '-')}";

    /// <summary>Meaning, range and default; choices are part of the option's name in the help.</summary>
    public static string Describe(SettingDescription setting)
    {
        var parts = new List<string>();
        if (setting.Range.Length > 0)
            parts.Add(setting.Unit.Length > 0 ? $"{setting.Range} {setting.Unit}" : setting.Range);
        if (setting.Zero.Length > 0)
            parts.Add($"0 for {setting.Zero}");
        if (setting.Kind == SettingKind.Task)
            parts.Add("TASK, TASK@ALIAS or TASK:VERSION");
        if (setting.Kind == SettingKind.Duration)
            parts.Add("HH:MM:SS");
        var byDefault = setting.Default.Length > 0 ? setting.Default : setting.Otherwise;
        if (byDefault.Length > 0)
            parts.Add($"default: {byDefault}");
        return parts.Count == 0 ? setting.Help : $"{setting.Help} ({string.Join("; ", parts)})";
    }

    private static SettingOption Of(SettingDescription setting, FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Int32 => new SettingOption<int>(setting, value => value),
        FieldType.Int64 => new SettingOption<long>(setting, value => value),
        FieldType.UInt64 => new SettingOption<ulong>(setting, value => value),
        FieldType.Double when setting.Otherwise == Auto => new SettingOption<string>(setting, NumberOrAuto),
        FieldType.Double => new SettingOption<double>(setting, value => value),
        FieldType.Bool => new SettingOption<bool>(setting, value => value),
        FieldType.Enum => new SettingOption<string>(setting, name => MessageFields.Value(
            field.EnumType, setting.Choices.First(choice => choice.Name == name).Value)),
        FieldType.Message when field.MessageType == Duration.Descriptor =>
            new SettingOption<TimeSpan>(setting, Duration.FromTimeSpan),
        FieldType.Message => new SettingOption<string>(setting, References.Parse),
        _ => new SettingOption<string>(setting, value => value)
    };

    private static object? NumberOrAuto(string value) =>
        value == Auto ? null : double.Parse(value, NumberStyles.Float, CultureInfo.InvariantCulture);

    private static SettingOption<bool> NormalInitialization(SettingDescription setting) => new(
        setting, _ => Initialization.Normal,
        new Option<bool>("--normal-initialization") { Hidden = true, Description = "--initialization normal" });

    protected static string[] AliasesOf(SettingDescription setting) =>
        Aliases.TryGetValue(Last(setting), out var alias) ? [alias] : [];

    private static string Last(SettingDescription setting) => setting.Name[(setting.Name.LastIndexOf('.') + 1)..];
}

/// <typeparam name="T">Of a value.</typeparam>
internal sealed class SettingOption<T> : SettingOption
{
    private readonly string _setting;
    private readonly Func<T, object?> _convert;
    private readonly Option<T>? _single;
    private readonly Option<T[]>? _list;

    /// <param name="convert">To what the field takes; to null if nothing is to be set.</param>
    public SettingOption(SettingDescription setting, Func<T, object?> convert)
    {
        (_setting, _convert) = (setting.Name, convert);
        string[] names = [.. setting.Choices.Select(choice => choice.Name)];
        if (setting.List)
        {
            _list = new(NameOf(setting), AliasesOf(setting)) { AllowMultipleArgumentsPerToken = true };
            if (names.Length > 0)
                _list.AcceptOnlyFromAmong(names);
        }
        else
        {
            _single = new(NameOf(setting), AliasesOf(setting));
            if (names.Length > 0)
                _single.AcceptOnlyFromAmong(names);
        }

        if (setting.Otherwise == Auto)
            Option.OnlyStrict(besides: Auto);
        else if (typeof(T) == typeof(double))
            Option.OnlyStrict();
        Option.Required = setting.Required;
        Option.Description = Describe(setting);
    }

    /// <param name="option">Another option that sets it.</param>
    public SettingOption(SettingDescription setting, Func<T, object?> convert, Option<T> option) =>
        (_setting, _convert, _single) = (setting.Name, convert, option);

    public override Option Option => _list is null ? _single! : _list;

    public override void Set(ParseResult parsed, IMessage message)
    {
        if (parsed.GetResult(Option) is not { Implicit: false })
            return;
        var (owner, field) = MessageFields.Find(message, _setting);
        if (_list is null)
        {
            if (_convert(parsed.GetValue(_single!)!) is { } value)
                field.Accessor.SetValue(owner, value);
            return;
        }

        var values = (IList)field.Accessor.GetValue(owner);
        foreach (var each in parsed.GetValue(_list)!)
            values.Add(_convert(each));
    }
}
