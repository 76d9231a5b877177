using Serving.Training.Decoders;

namespace Serving.Training.Vae;

/// <summary>A text of its tokens.</summary>
/// <param name="Tokens">What a text begins with, its own, and the end: at least three.</param>
internal sealed record Sentence(int[] Tokens)
{
    /// <summary>How many are predicted: its own and the end.</summary>
    public int Count => Tokens.Length - 1;
}

/// <summary>Texts that run together: step after step, the longest first.</summary>
internal sealed class SentenceBatch
{
    /// <param name="sentences">At least one.</param>
    public SentenceBatch(IReadOnlyList<Sentence> sentences)
    {
        Offsets = new int[sentences.Count + 1];
        for (var i = 0; i < sentences.Count; i++)
            Offsets[i + 1] = Offsets[i] + sentences[i].Count;
        Order = new(Offsets);
        Inputs = [.. sentences.SelectMany(sentence => sentence.Tokens[..^1])];
        Labels = [.. sentences.SelectMany(sentence => sentence.Tokens[1..])];
    }

    public int Sentences => Offsets.Length - 1;

    /// <summary>Where each text begins among inputs and labels, and the end of the last.</summary>
    public int[] Offsets { get; }

    public StepOrder Order { get; }

    /// <summary>What the decoder reads, text after text: all but the end.</summary>
    public int[] Inputs { get; }

    /// <summary>What it predicts, and what the encoder reads: all but the beginning.</summary>
    public int[] Labels { get; }

    /// <summary>Of each text, where its last token is among the steps.</summary>
    public int[] LastRows() => [.. Offsets.Skip(1).Select(end => Order.Rows[end - 1])];

    /// <summary>Of each row of the steps, which sequence of the steps' order it is of.</summary>
    public int[] RanksOfRows()
    {
        var ranks = new int[Order.Rows.Length];
        for (var step = 0; step < Order.Steps.Length - 1; step++)
        {
            for (var row = Order.Steps[step]; row < Order.Steps[step + 1]; row++)
                ranks[row] = row - Order.Steps[step];
        }

        return ranks;
    }
}
