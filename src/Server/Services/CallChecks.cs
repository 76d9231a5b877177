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

    /// <summary>The loaded model of a name; without one, the only one.</summary>
    /// <exception cref="Grpc.Core.RpcException">There is none, or more than one.</exception>
    public static ModelHost FindModel(RoutingTable table, string name)
    {
        var models = table.Models;
        if (name.Length > 0)
        {
            return models.GetValueOrDefault(ResourceName.Require("model", name))
                ?? throw Errors.NotFound("loaded model", name, models.Keys);
        }

        return models.Count switch
        {
            1 => models.Values.First(),
            0 => throw Errors.FailedPrecondition("models", "No model is loaded; load one first."),
            _ => throw Errors.InvalidArgument(
                "model", $"{models.Count} models are loaded; name one: {string.Join(", ", models.Keys)}.")
        };
    }
}
