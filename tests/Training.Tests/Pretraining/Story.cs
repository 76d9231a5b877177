using Serving.Tensors;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Training.Tests.Pretraining;

/// <summary>Documents with something to learn: each has a topic, and sentences in the order of first words.</summary>
internal static class Story
{
    public const int Topics = 6;
    private const int Openers = 8;
    private const int PerTopic = 4;

    public static Vocabulary Words { get; } = new(
    [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".",
        .. Enumerable.Range(0, Openers).Select(i => $"opener{i}"),
        .. Enumerable.Range(0, Topics * PerTopic)
            .Select(i => new string((char)('a' + (i / PerTopic)), 2 + (i % PerTopic)))
    ]);

    public static BertTokenizer Tokenizer { get; } = new(Words);

    /// <summary>
    /// Eight sentences: an opener, numbered like the sentence, words of the topic, the first of them capitalized, and a
    /// dot.
    /// </summary>
    public static string Document(int number, int sentences = Openers)
    {
        var key = CounterRandom.Key((ulong)number, 5);
        return string.Join(' ', Enumerable.Range(0, sentences).Select(sentence =>
        {
            var words = 2 + (int)(CounterRandom.Uniform(key, (ulong)sentence * 100) * 4);
            var topic = Enumerable.Range(0, words).Select(word => Word(number, sentence, word, key));
            return $"opener{sentence} {string.Join(' ', topic)} .";
        }));
    }

    private static string Word(int number, int sentence, int word, ulong key)
    {
        var ofTopic = (int)(CounterRandom.Uniform(key, (ulong)((sentence * 100) + word + 1)) * PerTopic);
        var text = Words[6 + Openers + (number % Topics * PerTopic) + ofTopic];
        return word == 0 ? char.ToUpperInvariant(text[0]) + text[1..] : text;
    }
}
