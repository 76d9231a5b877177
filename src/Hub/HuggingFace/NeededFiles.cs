using Serving.Models;

namespace Serving.Hub.HuggingFace;

/// <summary>What of a repository is downloaded.</summary>
internal static class NeededFiles
{
    /// <summary>
    /// What is read of a model but for its weights, and what people read of it; the configuration first.
    /// </summary>
    private static readonly string[] Small =
    [
        ModelFiles.Config, ModelFiles.TokenizerConfig, ModelFiles.Tokenizer, ModelFiles.Vocabulary,
        ModelFiles.BpeVocabulary, ModelFiles.BpeMerges, ModelFiles.GenerationConfig, ModelFiles.AddedTokens,
        ModelFiles.SpecialTokens, "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE"
    ];

    /// <summary>The files that are no weights.</summary>
    public static IEnumerable<string> Without(HubRepository repository) => Small.Where(repository.Has);

    /// <summary>The one file of weights, or the index of several.</summary>
    /// <exception cref="ModelFileException">There are none that are read.</exception>
    public static string Weights(HubRepository repository)
    {
        if (repository.Has(ModelFiles.Adapter))
        {
            throw new ModelFileException(
                $"It has {ModelFiles.Adapter}: adapters are not added to a model's weights here. Merge it with peft's "
                + "merge_and_unload and import the saved model.");
        }

        if (!repository.Has(ModelFiles.Config))
        {
            throw new ModelFileException(
                $"It has no {ModelFiles.Config}; the files of a transformers model are needed.");
        }

        if (repository.Has(ModelFiles.Weights))
            return ModelFiles.Weights;
        if (repository.Has(ModelFiles.WeightIndex))
            return ModelFiles.WeightIndex;
        throw new ModelFileException(OtherWeights.Describe(repository.Paths.Where(path => !path.Contains('/')))
            is { } weights
            ? $"Its weights are in {weights} Then import the folder: serving models import PATH."
            : $"It has no {ModelFiles.Weights}; a model with its weights as safetensors is needed.");
    }
}
