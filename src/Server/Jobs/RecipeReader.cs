using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Serving.Storage;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Server.Jobs;

/// <summary>From the message of a kind of recipes to recipes: each field is the setting of its name.</summary>
/// <param name="resolve">Finds the version that a reference means, given the reference's path in the request.</param>
internal sealed class RecipeReader(RecipeKind kind, Func<V1.TaskReference, string, VersionInput> resolve)
{
    /// <summary>Reads a message; what is left out keeps its default.</summary>
    /// <param name="path">Of the message in the request: "spec.classifier".</param>
    /// <exception cref="RpcException">
    /// INVALID_ARGUMENT: something is missing or no name. NOT_FOUND: a task or version is.
    /// </exception>
    public Recipe Read(IMessage message, string path)
    {
        var recipe = kind.New();
        Read(recipe, message, prefix: "", path);
        return recipe;
    }

    private void Read(Recipe recipe, IMessage message, string prefix, string path)
    {
        foreach (var field in message.Descriptor.Fields.InFieldNumberOrder())
        {
            var (name, at) = (prefix + field.Name, $"{path}.{field.Name}");
            if (kind.Settings.Find(name) is { } setting)
                Read(recipe, setting, message, field, at);
            else if (field.FieldType == FieldType.Message && kind.Settings.HasGroup(name))
                Read(recipe, Group(message, field), $"{name}.", at);
            else if (!kind.Settings.IsWithheld(name))
                throw new InvalidOperationException($"{message.Descriptor.FullName}: {name} is no setting.");
            else if (IsGiven(message, field))
                throw Errors.InvalidArgument(at, "It says nothing here; leave it out.");
        }
    }

    private void Read(Recipe recipe, Setting setting, IMessage message, FieldDescriptor field, string at)
    {
        if (field.IsRepeated)
        {
            var values = ((IList)field.Accessor.GetValue(message)).Cast<object>()
                .Select((value, i) => Value(setting, field, value, $"{at}[{i}]")).ToList();
            if (values.Count > 0 || setting.IsRequired)
                setting.Set(recipe, values);
        }
        else if (IsGiven(message, field) || setting.IsRequired)
        {
            setting.Set(recipe, Value(setting, field, field.Accessor.GetValue(message), at));
        }
    }

    private object Value(Setting setting, FieldDescriptor field, object? value, string at) => setting.Kind switch
    {
        SettingKind.Model or SettingKind.Dataset => ResourceName.Require(at, (string)value!),
        SettingKind.Task => resolve((V1.TaskReference?)value ?? new(), at),
        SettingKind.Choice => Choice(setting, field, Convert.ToInt32(value), at),
        SettingKind.Duration => ((Duration)value!).ToTimeSpan(),
        _ => value!
    };

    private static System.Enum Choice(Setting setting, FieldDescriptor field, int number, string at)
    {
        if (number == 0 && !field.IsRepeated)
        {
            var words = setting.Choices.Select(choice => Words(choice.Value)).ToList();
            throw Errors.InvalidArgument(
                at, $"It is missing; {string.Join(", ", words.SkipLast(1))} or {words[^1]} is needed.");
        }

        var name = field.EnumType.FindValueByNumber(number)?.Name;
        return setting.Choices.FirstOrDefault(choice => WireNames.Of(field.EnumType, choice.Value) == name)?.Value
            ?? throw Errors.InvalidArgument(
                at,
                $"{number} is unknown; {string.Join(", ", setting.Choices.Select(choice => choice.Value))} are known.");
    }

    /// <returns>"head only" of HeadOnly.</returns>
    private static string Words(System.Enum value) => SettingNames.Of(value.ToString()).Replace('_', ' ');

    /// <summary>Whether a field says anything: of one without presence, 0 and "" say nothing.</summary>
    private static bool IsGiven(IMessage message, FieldDescriptor field) => field.HasPresence
        ? field.Accessor.HasValue(message)
        : field.Accessor.GetValue(message) switch
        {
            string text => text.Length > 0,
            bool flag => flag,
            var number => Convert.ToDouble(number) != 0
        };

    /// <summary>A message within the message; an empty one if it is left out.</summary>
    private static IMessage Group(IMessage message, FieldDescriptor field) =>
        (IMessage?)field.Accessor.GetValue(message) ?? field.MessageType.Parser.ParseFrom(ByteString.Empty);
}
