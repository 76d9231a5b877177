using Serving.Models.Tasks;
using Serving.Server.Storage;

namespace Serving.Server.Services;

/// <summary>How far the masks of versions lie apart, see <see cref="MaskDistance"/>.</summary>
internal static class MaskComparison
{
    public static V1.CompareTasksResponse Compare(IReadOnlyList<StoredVersion> versions, CancellationToken cancelled)
    {
        var packs = new List<TaskPack>();
        try
        {
            foreach (var version in versions)
                packs.Add(TaskPack.Open(version.Folder, version.Version));
            var response = new V1.CompareTasksResponse();
            for (var first = 0; first < packs.Count; first++)
            {
                for (var second = first + 1; second < packs.Count; second++)
                {
                    cancelled.ThrowIfCancellationRequested();
                    response.Comparisons.Add(Compare(packs[first], packs[second], first, second));
                }
            }

            return response;
        }
        finally
        {
            packs.ForEach(pack => pack.Dispose());
        }
    }

    private static V1.TaskComparison Compare(TaskPack a, TaskPack b, int first, int second)
    {
        var distance = MaskDistance.Between(a, b);
        return new()
        {
            First = first,
            Second = second,
            Dissimilarity = distance.Total,
            DissimilarityByTensor = { distance.ByTensor.ToDictionary() }
        };
    }
}
