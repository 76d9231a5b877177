namespace Serving.Models;

/// <summary>A model on disk, of a kind that is known.</summary>
public interface IModelFolder
{
    string Path { get; }

    /// <exception cref="ModelFileException">config.json is missing or has unsupported values.</exception>
    ModelShape ReadShape();

    /// <summary>
    /// The digest of the model in memory, without loading it.
    /// </summary>
    /// <exception cref="ModelFileException">A file is missing, damaged, or not as config.json says.</exception>
    BackboneDigest ReadDigest();
}

/// <summary>What there is to know of a model without its weights.</summary>
/// <param name="Kind">The model_type of its config.json.</param>
/// <param name="MaxTokens">The most tokens of a sequence.</param>
public sealed record ModelShape(string Kind, int Layers, int Hidden, int Heads, int Vocabulary, int MaxTokens);
