using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Serving.Training.Settings;

/// <summary>A setting of a recipe, made from a property and its <see cref="SettingAttribute"/>.</summary>
public sealed class Setting
{
    /// <summary>What <see cref="Otherwise"/> says of a value that follows from the backbone.</summary>
    public const string Auto = "auto";

    private readonly IReadOnlyList<PropertyInfo> _groups;
    private readonly PropertyInfo _property;
    private readonly SettingAttribute _declared;
    private readonly Type _value;

    /// <param name="groups">The properties that lead to the object with the property, the first one the root's.</param>
    /// <param name="prefix">Of the group's name: "mask.".</param>
    /// <param name="for">What the group is for; null for all.</param>
    internal Setting(IReadOnlyList<PropertyInfo> groups, PropertyInfo property, string prefix, object? @for)
    {
        _groups = groups;
        _property = property;
        _declared = property.GetCustomAttribute<SettingAttribute>()!;
        Name = prefix + (_declared.Name ?? SettingNames.Of(property.Name));
        For = _declared.For ?? @for;
        IsList = typeof(IEnumerable).IsAssignableFrom(property.PropertyType) && property.PropertyType != typeof(string);
        var element = IsList ? property.PropertyType.GetGenericArguments()[0] : property.PropertyType;
        _value = Nullable.GetUnderlyingType(element) ?? element;
        Kind = KindOf(_declared, _value);
        Choices = Kind == SettingKind.Choice ? ChoicesOf(_value) : [];
        Range = SettingRange.Of(_declared);
    }

    /// <summary>Its path in the recipe's message: "mask.layers".</summary>
    public string Name { get; }

    public SettingKind Kind { get; }

    /// <summary>Whether there may be several values.</summary>
    public bool IsList { get; }

    public bool IsRequired => _property.IsDefined(typeof(RequiredMemberAttribute));

    public string Help => _declared.Help;

    public string? Unit => _declared.Unit;

    /// <summary>Of each value; null if all are valid, or they are no numbers.</summary>
    public SettingRange? Range { get; }

    /// <summary>What 0 means; null if it means 0.</summary>
    public string? Zero => _declared.Zero;

    /// <summary>What it means if there is no value; null if there always is one.</summary>
    public string? Otherwise => _declared.Otherwise;

    public IReadOnlyList<SettingChoice> Choices { get; }

    /// <summary>The only value for which it is of what its recipe's command gives; null for all.</summary>
    public object? For { get; }

    /// <summary>Which values are valid, in words: "1 to 4096"; null if all are.</summary>
    public string? Needed => Range is null
        ? null
        : (Range.Contains(0) || Zero is null ? "" : $"0 for {Zero}, or ") + Range + (IsList ? " each" : "");

    /// <summary>The present value in a recipe.</summary>
    public object? Get(object root) => _property.GetValue(Groups(root)[^1]);

    /// <summary>The present value in words: of a new recipe, the default. Empty if no value is valid.</summary>
    public string Describe(object root) => Get(root) switch
    {
        null or "" or bool => "",
        _ when Kind is SettingKind.Flag or SettingKind.Task => "",
        var value when !IsList && !IsInRange(value) => "",
        Enum value => NameOf(value),
        IFormattable value => value.ToString(format: null, CultureInfo.InvariantCulture),
        IEnumerable values and not string => string.Join(" ", values.Cast<object>().Select(value =>
            value is Enum choice ? NameOf(choice) : Convert.ToString(value, CultureInfo.InvariantCulture))),
        var value => value.ToString()!
    };

    /// <summary>Sets the value in a recipe that nobody else has seen yet.</summary>
    /// <param name="values">
    /// One, or those of a list: int, long, ulong, double, string, TimeSpan, a value of the enumeration, true for a
    /// flag, or what a task is to the recipe.
    /// </param>
    public void Set(object root, params IReadOnlyList<object> values)
    {
        var groups = Groups(root);
        _property.SetValue(groups[^1], Kind == SettingKind.Flag
            ? _declared.On ?? true
            : IsList ? List(values) : Converted(values[0]));

        // A group whose default depends on other settings is a new object each time that it is asked for.
        for (var i = _groups.Count - 1; i >= 0; i--)
            _groups[i].SetValue(groups[i], groups[i + 1]);
    }

    /// <exception cref="SettingException">It is out of range.</exception>
    public void Check(object root)
    {
        if (Range is null || Get(root) is not { } present)
            return;
        foreach (var value in IsList ? ((IEnumerable)present).Cast<object>() : [present])
            SettingException.ThrowUnless(IsInRange(value), Name, value, Needed!);
    }

    private string NameOf(Enum value) => Choices.FirstOrDefault(choice => choice.Value.Equals(value))?.Name ?? "";

    private bool IsInRange(object value)
    {
        if (Range is null)
            return true;
        var number = value is TimeSpan time
            ? time.TotalSeconds
            : Convert.ToDouble(value, CultureInfo.InvariantCulture);
        return Range.Contains(number) || (number == 0 && Zero is not null);
    }

    /// <summary>The root and the objects on the way to the property.</summary>
    private object[] Groups(object root)
    {
        var objects = new object[_groups.Count + 1];
        objects[0] = root;
        for (var i = 0; i < _groups.Count; i++)
            objects[i + 1] = _groups[i].GetValue(objects[i])!;
        return objects;
    }

    private Array List(IReadOnlyList<object> values)
    {
        var list = Array.CreateInstance(_value, values.Count);
        for (var i = 0; i < values.Count; i++)
            list.SetValue(Converted(values[i]), i);
        return list;
    }

    private object Converted(object value) => _value.IsInstanceOfType(value)
        ? value
        : Convert.ChangeType(value, _value, CultureInfo.InvariantCulture);

    private static SettingKind KindOf(SettingAttribute declared, Type value) =>
        declared.On is not null || value == typeof(bool) ? SettingKind.Flag
        : value.IsEnum ? SettingKind.Choice
        : value == typeof(TimeSpan) ? SettingKind.Duration
        : value == typeof(float) || value == typeof(double) ? SettingKind.Number
        : declared.Kind;

    /// <summary>Those that are declared; of a type that declares none, which is not one of training's, all.</summary>
    private static List<SettingChoice> ChoicesOf(Type type)
    {
        var all = type.GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(field => (Field: field, Declared: field.GetCustomAttribute<ChoiceAttribute>())).ToList();
        return
        [
            .. all.Where(choice => choice.Declared is not null || all.TrueForAll(other => other.Declared is null))
                .Select(choice => new SettingChoice(
                    choice.Declared?.Name ?? SettingNames.Of(choice.Field.Name),
                    (Enum)choice.Field.GetValue(obj: null)!))
        ];
    }
}
