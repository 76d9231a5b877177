using Serving.Text.Bpe;
using Serving.Text.Trainers;
using Serving.Training.Settings;

namespace Serving.Training.LanguageModels;

/// <summary>What the tokens of a language model are. All are made of bytes, so that no text is unknown.</summary>
public enum Tokenization
{
    /// <summary>Byte-level BPE (Radford et al. 2019, sec. 2.2).</summary>
    [Choice("bpe")]
    Bpe,

    /// <summary>The longest pieces of a word, from the left (Wu et al. 2016, sec. 4.1).</summary>
    [Choice("wordpiece")]
    WordPiece,

    /// <summary>Whole words; those that are not among them are spelled in bytes.</summary>
    [Choice("word")]
    Word,

    /// <summary>Syllables, by rules for English; those that are not among them are spelled in bytes.</summary>
    [Choice("syllable")]
    Syllable,

    /// <summary>Characters; those that are not among them are spelled in bytes.</summary>
    [Choice("character")]
    Character
}

/// <summary>Makes the vocabulary of a tokenization.</summary>
internal static class TokenizationExtensions
{
    /// <exception cref="Text.VocabularyException">The size does not hold the bytes and the end of text.</exception>
    public static BpeTokenizer Train(
        this Tokenization tokenization, IEnumerable<string> documents, TrainerOptions options) => tokenization switch
        {
            Tokenization.WordPiece => BpeTrainer.Train(documents, options, Segmentation.LongestTokens),
            Tokenization.Word => WordTrainer.Train(documents, options),
            Tokenization.Syllable => WordTrainer.TrainSyllables(documents, options),
            Tokenization.Character => CharacterTrainer.Train(documents, options),
            _ => BpeTrainer.Train(documents, options)
        };
}
