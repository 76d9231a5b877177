using FsCheck;
using FsCheck.Fluent;
using Serving.Text.Bpe;
using Serving.Text.Trainers;

namespace Serving.Text.Tests.Bpe;

public sealed class IncrementalDecoderTests
{
    private static readonly BpeTokenizer Tokenizer =
        BpeTrainer.Train(["the cat and the hat", "한국어 😀 😀"], new() { VocabularySize = 265 });

    [Fact]
    public void Append_ACharacterOfFourBytes_AppearsWithTheLast()
    {
        var decoder = new IncrementalDecoder(Tokenizer);
        string[] parts = [.. Bytes("a😀b").Select(decoder.Append)];
        Assert.Equal(["a", "", "", "", "😀", "b"], parts);
        Assert.Equal("", decoder.Finish());
    }

    [Fact]
    public void IsInsideCharacter_FromItsFirstByteToTheLastButOne()
    {
        var decoder = new IncrementalDecoder(Tokenizer);
        bool[] inside = [.. Bytes("a😀b").Select(id =>
        {
            decoder.Append(id);
            return decoder.IsInsideCharacter && decoder.IsInsideCharacter; // Asking changes nothing.
        })];
        Assert.Equal([false, true, true, true, false, false], inside);
    }

    [Fact]
    public void Finish_InsideACharacter_GivesOneReplacementAndBeginsAgain()
    {
        var decoder = new IncrementalDecoder(Tokenizer);
        Assert.Equal("", string.Concat(Bytes("😀")[..3].Select(decoder.Append)));
        Assert.Equal("\uFFFD", decoder.Finish());
        Assert.Equal("a", decoder.Append(Bytes("a")[0]));
    }

    [Fact]
    public void Append_AnyTokens_GivesTheTextOfAll() => Prop.ForAll(
        Gen.ArrayOf(Gen.Choose(0, Tokenizer.Vocabulary.Count - 1)).ToArbitrary(),
        ids =>
        {
            var decoder = new IncrementalDecoder(Tokenizer);
            Assert.Equal(Tokenizer.Decode(ids), string.Concat(ids.Select(decoder.Append)) + decoder.Finish());
        }).QuickCheckThrowOnFailure();

    /// <summary>A token for each byte.</summary>
    private static int[] Bytes(string text) =>
    [
        .. System.Text.Encoding.UTF8.GetBytes(text).Select(value => Enumerable.Range(0, Tokenizer.Vocabulary.Count)
            .First(id => Tokenizer.DecodeToken(id).SequenceEqual([value])))
    ];
}
