using Serving.Text;
using Serving.Text.Bpe;

namespace Serving.Models.Tokenizers;

/// <summary>A folder's byte-level BPE: tokenizer.json, or vocab.json and merges.txt.</summary>
public static class BpeFiles
{
    /// <summary>Writes tokenizer.json, as Hugging Face's tokenizers read it, too.</summary>
    public static void Write(BpeTokenizer tokenizer, Stream output) => BpeJsonWriter.Write(tokenizer, output);

    /// <exception cref="ModelFileException">A file is missing or unsound, or has what does not run here.</exception>
    public static BpeTokenizer Load(string folder)
    {
        var path = Path.Combine(folder, ModelFiles.Tokenizer);
        try
        {
            if (ModelFiles.IsThere(path))
                return BpeJson.Read(path);
            path = Path.Combine(folder, ModelFiles.BpeVocabulary);
            var mergesPath = Path.Combine(folder, ModelFiles.BpeMerges);
            foreach (var needed in (string[])[path, mergesPath])
            {
                if (!File.Exists(needed))
                {
                    throw new ModelFileException(
                        $"{needed} is missing. A GPT-2 has {ModelFiles.Tokenizer}, or {ModelFiles.BpeVocabulary} and "
                        + $"{ModelFiles.BpeMerges}.");
                }
            }

            return BpeTokenizer.Load(path, mergesPath);
        }
        catch (VocabularyException exception)
        {
            throw new ModelFileException($"{path}: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(ModelFiles.WhyUnreadable(path, exception), exception);
        }
    }
}
