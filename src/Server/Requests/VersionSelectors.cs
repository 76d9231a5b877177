using Serving.Catalog.Stored;

namespace Serving.Server.Requests;

internal static class VersionSelectors
{
    public static VersionSelector ToSelector(this V1.TaskReference reference) => new(
        reference.Task,
        reference.WhichCase == V1.TaskReference.WhichOneofCase.Alias ? reference.Alias : null,
        reference.WhichCase == V1.TaskReference.WhichOneofCase.Version ? reference.Version : null);
}
