using Serving.Models.Versions;

namespace Serving.Server.Services;

/// <summary>How far the masks of versions lie apart, see <see cref="MaskDistance"/>.</summary>
internal static class MaskComparison
{
    /// <param name="versions">Each with its folder.</param>
    public static V1.CompareTasksResponse Compare(
        IReadOnlyList<(string Folder, string Version)> versions, CancellationToken cancelled)
    {
        var packs = new List<VersionFiles>();
        try
        {
            foreach (var (folder, version) in versions)
                packs.Add(VersionFiles.Open(folder, version));
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

    private static V1.TaskComparison Compare(VersionFiles a, VersionFiles b, int first, int second)
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
