using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Storage;

namespace Serving.Server.Services;

/// <summary>What calls about texts have in common.</summary>
internal static class CallChecks
{
    private const int LargestPriority = 100;

    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: there are too few or too many.</exception>
    public static void ThrowUnlessCount(string field, int count, int most)
    {
        if (count < 1 || count > most)
            throw Errors.InvalidArgument(field, $"There are {count}; 1 to {most} are taken in one call.");
    }

    /// <param name="deadline">Of the call; <see cref="DateTime.MaxValue"/> for none.</param>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: a value is none.</exception>
    public static CallSettings Settings(
        V1.Truncation truncation, int priority, double place, DateTime deadline, CancellationToken cancelled)
    {
        if (priority is < -LargestPriority or > LargestPriority)
            throw Errors.InvalidArgument(
                "priority", $"{priority} is out of range; {-LargestPriority} to {LargestPriority} is needed.");
        return new(
            Messages.Truncation(truncation),
            priority,
            place,
            deadline == DateTime.MaxValue ? null : new DateTimeOffset(deadline),
            cancelled);
    }

    /// <summary>The loaded encoder of a name; without one, the only one.</summary>
    /// <exception cref="Grpc.Core.RpcException">There is none, or more than one.</exception>
    public static EncoderHost FindEncoder(RoutingTable table, string name) =>
        Find<EncoderHost>(
            table, name, "encodes",
            "'serving models load' loads one that is there, and 'serving models pull nuget:minilm' fetches one.");

    /// <summary>The loaded model of a name that writes text; without a name, the only one.</summary>
    /// <exception cref="Grpc.Core.RpcException">There is none, or more than one.</exception>
    public static GeneratorHost FindGenerator(RoutingTable table, string name) =>
        Find<GeneratorHost>(
            table, name, "writes",
            "'serving train lm' trains one on your texts, and 'serving models pull gpt2' fetches one.");

    /// <param name="verb">What the model must do with texts, for messages.</param>
    /// <param name="remedy">How there comes to be one, in a sentence.</param>
    private static THost Find<THost>(RoutingTable table, string name, string verb, string remedy)
        where THost : ModelHost
    {
        var models = table.Models.Values.OfType<THost>().ToList();
        var names = models.Select(model => model.Name);
        if (name.Length > 0)
        {
            return table.Models.GetValueOrDefault(ResourceName.Require("model", name)) switch
            {
                THost host => host,
                null => throw Errors.NotFound("loaded model", name, table.Models.Keys),
                var other => throw Errors.InvalidArgument(
                    "model",
                    $"'{name}' is a {other.Shape.Kind}, and no model that {verb} texts. Of those are loaded: "
                    + $"{string.Join(", ", names.DefaultIfEmpty("none"))}.{(models.Count == 0 ? $" {remedy}" : "")}")
            };
        }

        return models.Count switch
        {
            1 => models[0],
            0 => throw Errors.FailedPrecondition("models", $"No model that {verb} texts is loaded. {remedy}"),
            _ => throw Errors.InvalidArgument(
                "model", $"{models.Count} models are loaded; name one: {string.Join(", ", names)}.")
        };
    }
}
