using System.CommandLine;
using Google.Protobuf;
using Serving.V1;

namespace Serving.Cli;

/// <summary>serving train ..., serving analyze ...: a command for each recipe, made from its description.</summary>
/// <remarks>
/// The descriptions are what Jobs.DescribeRecipes answers, as of when this was built: help needs no server. What is not
/// given keeps the server's default.
/// </remarks>
internal static class RecipeCommands
{
    private static readonly Dictionary<string, string> Groups = new(StringComparer.Ordinal)
    {
        ["train"] = "Training jobs: masks, weights, heads, backbones.",
        ["analyze"] = "What tasks know, what they take, and how they lie to each other."
    };

    public static DescribeRecipesResponse Descriptions { get; } = Load();

    public static IEnumerable<Command> Create() => Descriptions.Recipes
        .GroupBy(recipe => recipe.Command.Split(' ')[0], StringComparer.Ordinal)
        .Select(group =>
        {
            var command = new Command(group.Key, Groups.GetValueOrDefault(group.Key));
            foreach (var recipe in group)
                command.Add(Create(recipe));
            return command;
        });

    private static Command Create(RecipeDescription recipe)
    {
        var (command, read) = Build(recipe);
        var watch = new Option<bool>("--watch") { Description = "Follows the job until it is over." };
        command.Add(watch);
        command.Do((parsed, client, output, cancelled) => JobsCommands.SubmitAsync(
            client, read(parsed), parsed.GetValue(watch), output, cancelled));
        return command;
    }

    /// <returns>A recipe's command, and what it asks for.</returns>
    internal static (Command Command, Func<ParseResult, JobSpec> Read) Build(RecipeDescription recipe)
    {
        var field = JobSpec.Descriptor.FindFieldByName(recipe.Recipe);
        var options = SettingOption.Of(recipe, field.MessageType);
        var publishing = new PublishOptions(recipe.Outputs);
        var device = new Option<string?>("--device")
        {
            Description = "What computes: cpu, or what the server's build has of torch-cpu, cuda, cuda:1 and so on; "
                + "the server's by default."
        };
        var memory = new Option<long>("--device-memory-bytes")
        {
            Description = "What the job needs of the device's memory; an estimate by default. Not for cpu."
        };
        var command = new Command(recipe.Command.Split(' ')[^1], recipe.Help);
        foreach (var option in options.Select(option => option.Option).Concat(publishing.All).Concat([device, memory]))
            command.Add(option);
        return (command, Read);

        JobSpec Read(ParseResult parsed)
        {
            var message = field.MessageType.Parser.ParseFrom(ByteString.Empty);
            foreach (var (name, value) in recipe.Given)
            {
                var (owner, given) = MessageFields.Find(message, name);
                given.Accessor.SetValue(owner, MessageFields.Value(given.EnumType, value));
            }

            foreach (var option in options)
                option.Set(parsed, message);
            var spec = new JobSpec
            {
                Publish = publishing.Read(parsed),
                Device = parsed.GetValue(device) ?? "",
                DeviceMemoryBytes = parsed.GetValue(memory)
            };
            field.Accessor.SetValue(spec, message);
            return spec;
        }
    }

    private static DescribeRecipesResponse Load()
    {
        using var stream = typeof(RecipeCommands).Assembly.GetManifestResourceStream("recipes.json")!;
        using var reader = new StreamReader(stream);
        return JsonParser.Default.Parse<DescribeRecipesResponse>(reader);
    }
}
