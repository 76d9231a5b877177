using System.Runtime.InteropServices;

namespace Serving.Tensors.Torch;

/// <summary>Neighbouring rows that see a weight through the same mask.</summary>
/// <param name="Mask">Null sees all.</param>
/// <param name="Rows">1 or more.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct MaskRun(TorchPackedMask? Mask, long Rows)
{
    /// <summary>The runs of segments, in their order; empty segments are left out.</summary>
    public static List<MaskRun> Of(ReadOnlySpan<RowSegment> segments)
    {
        var runs = new List<MaskRun>(segments.Length);
        foreach (var segment in segments)
        {
            if (segment.Rows == 0)
                continue;
            var mask = (TorchPackedMask?)segment.Mask;
            if (runs.Count > 0 && runs[^1].Mask == mask)
                runs[^1] = new(mask, runs[^1].Rows + segment.Rows);
            else
                runs.Add(new(mask, segment.Rows));
        }

        return runs;
    }

    /// <summary>How many runs from one on have as many rows as that one.</summary>
    /// <param name="most">Counts no further; 1 or more.</param>
    public static int CountEqual(List<MaskRun> runs, int first, int most)
    {
        var count = 1;
        while (count < most && first + count < runs.Count && runs[first + count].Rows == runs[first].Rows)
            count++;
        return count;
    }
}
