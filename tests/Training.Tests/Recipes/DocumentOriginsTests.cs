using Serving.Training.Recipes;

namespace Serving.Training.Tests.Recipes;

public sealed class DocumentOriginsTests
{
    private static readonly (string Dataset, long Line, string Text)[] Rows =
        [("films", 4, "a"), ("films", 5, ""), ("films", 6, "b"), ("books", 1, "c")];

    [Fact]
    public void Documents_AreRowsOfTheirDatasets_WithoutThoseThatHaveNoToken()
    {
        var origins = new DocumentOrigins(Rows, text => text.Length > 0, count: 3);
        Assert.Equal(
            "lines 4, 6 of rows.jsonl of the dataset 'films'; lines 1 of rows.jsonl of the dataset 'books'",
            origins.Describe([1, 0, 2, 1]));
    }

    [Fact]
    public void Documents_ThatAreNotWhatTheCorpusHas_AreNumbered()
    {
        var origins = new DocumentOrigins(Rows, _ => true, count: 3);
        Assert.Equal("documents 1, 3 of the corpus", origins.Describe([2, 0]));
    }
}
