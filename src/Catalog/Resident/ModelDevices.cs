namespace Serving.Catalog.Resident;

/// <summary>Which device each model runs on.</summary>
/// <param name="common">That of models that have none of their own.</param>
/// <param name="own">By the models' names.</param>
public sealed class ModelDevices(ModelDevice common, IReadOnlyDictionary<string, ModelDevice> own)
{
    /// <param name="common">Of all models.</param>
    public ModelDevices(ModelDevice common)
        : this(common, new Dictionary<string, ModelDevice>())
    {
    }

    /// <summary>All of them, each once.</summary>
    public IReadOnlyList<ModelDevice> All { get; } = [.. own.Values.Prepend(common).Distinct()];

    public ModelDevice Of(string model) => own.GetValueOrDefault(model, common);
}
