using System.Text;
using Serving.Text.Bpe;

namespace Serving.Text.Trainers;

/// <summary>Makes a vocabulary of characters: merges join the bytes of one and nothing else.</summary>
/// <remarks>Characters that do not come in the corpus, or too seldom, are spelled in bytes.</remarks>
public static class CharacterTrainer
{
    /// <summary>Takes the most frequent characters of several bytes; equally frequent ones go by their code.</summary>
    /// <exception cref="VocabularyException">The size does not hold the bytes and the end of text.</exception>
    public static BpeTokenizer Train(IEnumerable<string> texts, TrainerOptions options)
    {
        var counts = new Dictionary<Rune, long>();
        foreach (var text in texts)
        {
            foreach (var rune in text.EnumerateRunes())
                counts[rune] = counts.GetValueOrDefault(rune) + 1;
        }

        var tokens = new ByteVocabulary(options.VocabularySize);
        var merges = new List<(string Left, string Right)>();
        var characters = counts.Where(character => character.Key.Utf8SequenceLength > 1)
            .OrderByDescending(character => character.Value).ThenBy(character => character.Key.Value);
        foreach (var (rune, _) in characters)
        {
            var bytes = ByteAlphabet.ToText(Encoding.UTF8.GetBytes(rune.ToString()));
            if (!tokens.HasRoom(bytes.Length - 1))
                break;
            for (var length = 1; length < bytes.Length; length++)
            {
                var joined = bytes[..(length + 1)];
                if (tokens.Contains(joined))
                    continue; // Another character begins alike.
                tokens.Add(joined);
                merges.Add((bytes[..length], bytes[length..(length + 1)]));
            }
        }

        return new(tokens.Finish(), merges);
    }
}
