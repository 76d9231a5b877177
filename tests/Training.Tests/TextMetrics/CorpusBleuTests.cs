using Serving.Training.TextMetrics;

namespace Serving.Training.Tests.TextMetrics;

public sealed class CorpusBleuTests
{
    [Fact]
    public void Of_CountsEachNGram_AsOftenAsOneReferenceHasIt()
    {
        var bleu = new CorpusBleu([Text(1, 2, 1, 3), Text(2, 2, 4, 5)], n: 2);

        // 1 twice and 2 twice are each in one reference; 1 a third time and 9 are not: 5 of 8 tokens. Of pairs, 1 2 and
        // 2 2 are there: 2 of 6.
        Assert.Equal(Math.Sqrt(5 / 8.0 * 2 / 6), bleu.Of([Text(1, 2, 2, 9), Text(1, 1, 1, 9)]), 1e-12);
        Assert.Equal(1, bleu.Of([Text(1, 2, 1, 3), Text(2, 2, 4, 5), Text(1, 2, 1, 3)]), 1e-12);
        Assert.Equal(0, bleu.Of([Text(3, 1, 4, 2)]));
        Assert.Equal(0, bleu.Of([Text(7, 8, 9, 7)]));
    }

    private static ReadOnlyMemory<int> Text(params int[] tokens) => tokens;
}
