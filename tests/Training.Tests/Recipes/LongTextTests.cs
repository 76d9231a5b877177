using Serving.Text;
using Serving.Text.Bert;
using Serving.Training.Data;
using Serving.Training.Recipes;

namespace Serving.Training.Tests.Recipes;

/// <summary>Texts longer than the tokenizer takes are cut off, as all are that have too many tokens.</summary>
public sealed class LongTextTests
{
    private const int Most = BertTokenizer.MaxTextLength;

    private static readonly BertTokenizer Tokenizer =
        new(new Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]));

    [Fact]
    public void Encode_LongText_HasTheTokensOfItsBeginning()
    {
        var text = string.Concat(Enumerable.Repeat("a b ", Most / 4)) + "a";
        Assert.Equal(Ids("a b a b a b"), Ids(text, maxTokens: 8));
    }

    [Fact]
    public void Encode_LongPair_HasTheTokensOfBothBeginnings()
    {
        var text = string.Concat(Enumerable.Repeat("a ", Most));
        var pair = string.Concat(Enumerable.Repeat("b ", Most));
        Assert.Equal(Ids("a a a", "b b b"), Ids(text, pair, maxTokens: 9));
        Assert.Equal(Ids("a a a a a", "b"), Ids(text, "b", maxTokens: 9));
    }

    [Fact]
    public void Encode_LongText_WhoseWordsBeginLate_HasThem() =>
        Assert.Equal(Ids("a b"), Ids(new string(' ', 2 * Most) + "a b"));

    [Fact]
    public void Encode_LongText_IsNotCutWithinACharacter() => Assert.Equal(
        Ids("a"), Ids("a" + new string(' ', Most - 2) + string.Concat(Enumerable.Repeat("😀", 9)), maxTokens: 5));

    private static IEnumerable<int> Ids(string text, string? pair = null, int maxTokens = 32) =>
        LabelledDataset.Encode(Tokenizer, new DatasetRow(text, pair, null), maxTokens).Tokens
            .Select(token => token.Id);
}
