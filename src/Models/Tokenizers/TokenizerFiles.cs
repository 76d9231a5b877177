using Serving.Models.Json;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Models.Tokenizers;

/// <summary>A folder's tokenizer: vocab.txt or tokenizer.json, with the settings beside it.</summary>
internal static class TokenizerFiles
{
    /// <param name="isUncased">Whether tokens are lower case, where no file says it; null takes them to be.</param>
    /// <exception cref="ModelFileException">
    /// A file is missing or unsound, two contradict each other, or a setting is one that does not run here.
    /// </exception>
    public static BertTokenizer Load(string folder, Func<IReadOnlyList<string>, bool>? isUncased = null)
    {
        var settings = TokenizerSettings.Read(folder);
        var vocabularyPath = Path.Combine(folder, ModelFiles.Vocabulary);
        var tokenizerPath = Path.Combine(folder, ModelFiles.Tokenizer);
        var path = vocabularyPath;
        List<string>? tokens = null;
        if (ModelFiles.IsThere(tokenizerPath))
        {
            (tokens, var stated) = TokenizerJson.Read(tokenizerPath);
            settings = settings.With(stated);
            path = tokenizerPath;
        }

        try
        {
            if (tokens is null || ModelFiles.IsThere(vocabularyPath))
            {
                var lines = Vocabulary.Parse(ModelText.Read(vocabularyPath));
                if (tokens is not null)
                    ThrowUnlessSame(tokenizerPath, tokens, vocabularyPath, lines);
                tokens = [.. lines.Tokens];
            }

            while (tokens.Count > 0 && tokens[^1].Length == 0)
                tokens.RemoveAt(tokens.Count - 1); // Lines behind the last token are no tokens.
            settings = settings with { Lowercase = settings.Lowercase ?? isUncased?.Invoke(tokens) };
            var added = settings.Added.Place(tokens);
            return new(Vocabulary.OfFile(tokens), settings.ToOptions(added));
        }
        catch (VocabularyException exception)
        {
            throw new ModelFileException($"{path}: {exception.Message}", exception);
        }
    }

    /// <exception cref="ModelFileException">There are tokens without weights.</exception>
    public static void ThrowUnlessTokensFit(string folder, int tokens, int vocabSize)
    {
        if (tokens > vocabSize)
        {
            throw new ModelFileException(
                $"{folder}: the tokenizer has {tokens} tokens, and vocab_size in {ModelFiles.Config} is {vocabSize}; "
                + "as many or fewer tokens are needed. The files don't belong together.");
        }
    }

    private static void ThrowUnlessSame(string path, List<string> tokens, string linesPath, Vocabulary lines)
    {
        for (var id = 0; id < Math.Max(tokens.Count, lines.Count); id++)
        {
            // A token that is there twice has the id of its last line; tokenizer.json has that one alone.
            var line = id >= lines.Count || lines.GetId(lines[id]) != id ? "" : lines[id];
            var token = id >= tokens.Count ? "" : tokens[id];
            if (line == token)
                continue;
            throw new ModelFileException(
                $"{linesPath} has '{line}' at the id {id}, where {path} has '{token}'; make them agree, or remove "
                + "the one that is wrong.");
        }
    }
}
