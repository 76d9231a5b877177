namespace Serving.Training.Decoders;

/// <summary>Sequences as recurrent networks read them: step after step, the longest sequences first.</summary>
public sealed class StepOrder
{
    private readonly int[] _rows;

    /// <param name="offsets">Where each sequence begins, and the end of the last; none is empty.</param>
    public StepOrder(ReadOnlySpan<int> offsets)
    {
        var lengths = new int[offsets.Length - 1];
        for (var i = 0; i < lengths.Length; i++)
            lengths[i] = offsets[i + 1] - offsets[i];
        Sequences = [.. Enumerable.Range(0, lengths.Length).OrderByDescending(i => lengths[i])]; // Stable.
        Steps = new int[lengths[Sequences[0]] + 1];
        foreach (var length in lengths)
        {
            for (var step = 0; step < length; step++)
                Steps[step + 1]++;
        }

        for (var step = 1; step < Steps.Length; step++)
            Steps[step] += Steps[step - 1];
        _rows = new int[offsets[^1]];
        foreach (var (rank, sequence) in Sequences.Index())
        {
            for (var step = 0; step < lengths[sequence]; step++)
                _rows[offsets[sequence] + step] = Steps[step] + rank;
        }
    }

    /// <summary>The sequences in the order in which a step has them.</summary>
    public int[] Sequences { get; }

    /// <summary>Where each step begins, and the end of the last.</summary>
    public int[] Steps { get; }

    /// <summary>Where the tokens are, sequence after sequence, among those of the steps.</summary>
    public ReadOnlySpan<int> Rows => _rows;

    /// <summary>Tokens that come sequence after sequence, step after step.</summary>
    public T[] Reorder<T>(ReadOnlySpan<T> tokens)
    {
        var reordered = new T[tokens.Length];
        for (var i = 0; i < tokens.Length; i++)
            reordered[_rows[i]] = tokens[i];
        return reordered;
    }
}
