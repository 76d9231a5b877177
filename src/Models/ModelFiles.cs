namespace Serving.Models;

/// <summary>The names of files in a model's folder, as Hugging Face has them.</summary>
public static class ModelFiles
{
    public const string Config = "config.json";
    public const string Weights = "model.safetensors";

    /// <summary>Weights as a pickle, which can run code and is never read.</summary>
    public const string PickledWeights = "pytorch_model.bin";

    public const string TokenizerConfig = "tokenizer_config.json";

    /// <summary>One token a line.</summary>
    public const string Vocabulary = "vocab.txt";
}
