using Serving.Models;
using Serving.Models.Tasks;

namespace Serving.Server.Services;

/// <summary>How far the masks of versions lie apart, see <see cref="BitMask.Dissimilarity"/>.</summary>
internal static class MaskComparison
{
    /// <param name="versions">Each with its folder.</param>
    public static V1.CompareTasksResponse Compare(
        IReadOnlyList<(string Folder, string Version)> versions, CancellationToken cancelled)
    {
        var packs = new List<TaskPack>();
        try
        {
            foreach (var (folder, version) in versions)
                packs.Add(TaskPack.Open(folder, version));
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
        var comparison = new V1.TaskComparison { First = first, Second = second };
        var different = 0.0;
        var kept = 0L;
        foreach (var (name, _, _) in a.Masks.Where(mask => b.HasMask(mask.Name)))
        {
            var dissimilarity = BitMask.Dissimilarity(a.ReadMask(name), b.ReadMask(name));
            var both = BitMask.PopCount(a.ReadMask(name)) + BitMask.PopCount(b.ReadMask(name));
            comparison.DissimilarityByTensor.Add(name, dissimilarity);
            different += dissimilarity * both;
            kept += both;
        }

        comparison.Dissimilarity = kept == 0 ? 0 : different / kept;
        return comparison;
    }
}
