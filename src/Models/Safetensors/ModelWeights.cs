namespace Serving.Models.Safetensors;

/// <summary>Finds the weights in a model's folder.</summary>
internal static class ModelWeights
{
    /// <summary>Maps model.safetensors, or the files that its index names.</summary>
    /// <param name="needed">What a model's folder of this kind must have, for messages.</param>
    /// <exception cref="ModelFileException">
    /// They are missing, a pickle or damaged, or there are others to be added to them.
    /// </exception>
    public static WeightFiles Open(string folder, string needed)
    {
        var adapter = Path.Combine(folder, ModelFiles.Adapter);
        if (ModelFiles.IsThere(adapter))
        {
            throw new ModelFileException(
                $"{adapter}: adapters are not added to a model's weights here. Merge it with peft's merge_and_unload "
                + "and save the model.");
        }

        var weights = Path.Combine(folder, ModelFiles.Weights);
        if (ModelFiles.IsThere(weights))
            return WeightFiles.Open(weights);
        var index = Path.Combine(folder, ModelFiles.WeightIndex);
        if (ModelFiles.IsThere(index))
            return WeightFiles.OpenIndexed(index);
        throw new ModelFileException(
            OtherWeights.Describe(folder) ?? $"{weights} is missing; a model is a folder with {needed}.");
    }
}
