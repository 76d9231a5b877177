namespace Serving.Models;

/// <summary>The names of files in a model's folder, as Hugging Face has them.</summary>
public static class ModelFiles
{
    public const string Config = "config.json";
    public const string Weights = "model.safetensors";

    /// <summary>A graph that a folder can be made of.</summary>
    public const string Onnx = "model.onnx";

    /// <summary>Which file has which tensor, where weights are in several.</summary>
    public const string WeightIndex = "model.safetensors.index.json";

    /// <summary>How a decoder's tokens are chosen where a request does not say it.</summary>
    public const string GenerationConfig = "generation_config.json";

    public const string TokenizerConfig = "tokenizer_config.json";

    /// <summary>A whole tokenizer, with its vocabulary.</summary>
    public const string Tokenizer = "tokenizer.json";

    /// <summary>One token a line.</summary>
    public const string Vocabulary = "vocab.txt";

    /// <summary>Tokens of a byte-level BPE with their ids.</summary>
    public const string BpeVocabulary = "vocab.json";

    /// <summary>Its merges, the first to be made at the front.</summary>
    public const string BpeMerges = "merges.txt";

    /// <summary>Tokens beside the vocabulary, with their ids.</summary>
    public const string AddedTokens = "added_tokens.json";

    public const string SpecialTokens = "special_tokens_map.json";

    /// <summary>Weights that are to be added to the model's.</summary>
    public const string Adapter = "adapter_config.json";

    /// <summary>What an encoder's folder needs, for messages.</summary>
    internal const string Needed = $"{Config}, {Vocabulary} and {Weights}";

    /// <summary>What a decoder's folder needs.</summary>
    internal const string NeededByBpe = $"{Config}, {Tokenizer} and {Weights}";

    /// <summary>Whether there is something under a name, be it a folder, or a link that leads nowhere.</summary>
    internal static bool IsThere(string path) => File.Exists(path) || Directory.Exists(path);

    /// <summary>What keeps a file from being read, in sentences.</summary>
    internal static string WhyUnreadable(string path, Exception exception)
    {
        if (Directory.Exists(path))
            return $"{path} is a folder; a file is needed.";
        var isMissing = exception is FileNotFoundException or DirectoryNotFoundException;
        if (isMissing && new FileInfo(path).LinkTarget is { } target)
        {
            return $"{path} is a link to {target}, where there is nothing; copy the files themselves, for instance "
                + "with 'cp -rL'.";
        }

        return exception switch
        {
            _ when isMissing => $"{path} is missing.",
            UnauthorizedAccessException => $"{path} may not be read by the account that the server runs as.",
            _ => $"{path} can't be read: {exception.Message}"
        };
    }
}
