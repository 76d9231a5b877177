using System.Collections.Concurrent;
using System.Reflection;

namespace Serving.Training.Settings;

/// <summary>The settings of a type, with those of its groups.</summary>
public sealed class SettingSet
{
    private static readonly ConcurrentDictionary<Type, SettingSet> Known = new();

    private readonly Type _type;
    private readonly List<Setting> _checked = [];
    private readonly List<Setting> _offered = [];
    private readonly HashSet<string> _groups = new(StringComparer.Ordinal);

    private SettingSet(Type type)
    {
        _type = type;
        Add(type, groups: [], prefix: "", @for: null, without: []);
    }

    /// <summary>Those that a message can give, in the order of their declaration.</summary>
    public IReadOnlyList<Setting> Offered => _offered;

    public static SettingSet Of(Type type) => Known.GetOrAdd(type, each => new(each));

    /// <summary>Checks each setting by itself.</summary>
    /// <exception cref="SettingException">One is out of range.</exception>
    public static void Check(object root)
    {
        foreach (var setting in Of(root.GetType())._checked)
            setting.Check(root);
    }

    /// <summary>Whether settings are in a message of a name: "mask".</summary>
    public bool HasGroup(string name) => _groups.Contains(name);

    /// <summary>Whether there is a setting of a name that says nothing here, since something else decides.</summary>
    public bool IsWithheld(string name) => Find(name) is null && _checked.Exists(setting => setting.Name == name);

    /// <returns>The setting; null if there is none.</returns>
    /// <param name="name">As in messages: "mask.layers".</param>
    public Setting? Find(string name) => _offered.Find(setting => setting.Name == name);

    /// <summary>A new object, with all defaults; what is required is left out.</summary>
    public object New() => New(_type);

    private static object New(Type type)
    {
        var made = Activator.CreateInstance(type)!;
        foreach (var (property, _) in Groups(type))
        {
            if (property.GetValue(made) is null)
                property.SetValue(made, New(property.PropertyType));
        }

        return made;
    }

    private void Add(
        Type type, IReadOnlyList<PropertyInfo> groups, string prefix, object? @for, IReadOnlyList<string> without)
    {
        foreach (var property in type.GetProperties().Where(each => each.IsDefined(typeof(SettingAttribute))))
        {
            var setting = new Setting(groups, property, prefix, @for);
            _checked.Add(setting);
            if (!without.Contains(setting.Name))
                _offered.Add(setting);
        }

        foreach (var (property, group) in Groups(type))
        {
            var inner = group.Name is null ? prefix : $"{prefix}{group.Name}.";
            if (group.Name is not null)
                _groups.Add(prefix + group.Name);
            Add(
                property.PropertyType, [.. groups, property], inner, group.For ?? @for,
                [.. without, .. group.Without.Select(each => inner + each)]);
        }
    }

    private static IEnumerable<(PropertyInfo Property, SettingGroupAttribute Group)> Groups(Type type) =>
        type.GetProperties()
            .Select(property => (property, property.GetCustomAttribute<SettingGroupAttribute>()!))
            .Where(pair => pair.Item2 is not null);
}
