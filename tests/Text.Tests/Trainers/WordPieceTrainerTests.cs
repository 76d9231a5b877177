using Serving.Testing;
using Serving.Text.Bert;
using Serving.Text.Trainers;

namespace Serving.Text.Tests.Trainers;

public sealed class WordPieceTrainerTests
{
    [Fact]
    public void Train_SmallCorpus_GivesSpecialTokensCharactersAndPieces()
    {
        // Pairs: h ##u 15, ##u ##g 20 + "hug" 5 makes ##u ##g the first: hug 10, pug 5, hugs 5 hold it, 20 in all.
        var texts = Enumerable.Repeat("hug", 10).Concat(Enumerable.Repeat("pug", 5)).Concat(
            Enumerable.Repeat("hugs", 5));

        var vocabulary = WordPieceTrainer.Train(texts, lowercase: true, new() { VocabularySize = 13 });

        Assert.Equal(
            [
                "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                "##g", "##u", "h", "##s", "p", // Characters: 20, 20, 15, 5, 5 times.
                "##ug", "hug", "hugs" // Pieces: 20, 15, then 5 times like "pug", which comes behind it.
            ],
            vocabulary.Tokens);
    }

    [SharedFact("data/wikitext2/valid.txt")]
    public void Train_RealText_CoversIt()
    {
        var lines = File.ReadLines(SharedFiles.At("data/wikitext2/valid.txt")).Take(1500).ToArray();

        var vocabulary = WordPieceTrainer.Train(lines, lowercase: true, new() { VocabularySize = 4000 });

        var tokenizer = new BertTokenizer(vocabulary);
        var tokens = lines.SelectMany(line => tokenizer.Tokenize(line)).ToList();
        Assert.Equal(4000, vocabulary.Count);
        Assert.DoesNotContain(tokens, token => tokenizer.Vocabulary[token.Id] == BertTokenizer.UnknownToken);
        var words = lines.Sum(line => tokenizer.Words(line).Count);
        Assert.InRange((double)tokens.Count / words, 1.0, 1.5);
    }

    [Fact]
    public void Train_NothingToLearnFrom_IsRefused()
    {
        Assert.Throws<VocabularyException>(() => WordPieceTrainer.Train(["  "], lowercase: true, new()));
        Assert.Throws<VocabularyException>(
            () => WordPieceTrainer.Train(["a"], lowercase: true, new() { VocabularySize = 5 }));
        Assert.Throws<VocabularyException>(() => BpeTrainer.Train(["a"], new() { VocabularySize = 256 }));
    }
}
