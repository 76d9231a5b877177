using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Models.Versions;
using Serving.Tensors;
using Serving.Text.Bert;
using Serving.Training.Bert;
using Serving.Training.Classification;
using Serving.Training.Data;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>A task version with its backbone.</summary>
/// <remarks>As weights, it is the network that masks and pruned parts leave: what they drop reads as zero.</remarks>
internal sealed class TrainedClassifier : IParameterSource, IDisposable
{
    private readonly WeightFiles _weights;
    private readonly VersionFiles _pack;

    private TrainedClassifier(BertFolder model, WeightFiles weights, VersionFiles pack)
    {
        _weights = weights;
        _pack = pack;
        Backbone = new CheckpointParameters(weights);
        Config = model.LoadConfig();
        Tokenizer = model.LoadTokenizer();
        if (pack.Manifest.BackboneParts is not { } parts)
            return;
        var backbone = BertBackbone.Digest(parts.Weights, Config, Tokenizer);
        if (!pack.Manifest.IsFor(backbone))
            throw new ModelFileException($"{pack.Folder} is for {model.Path}, but {pack.Manifest.Change(backbone)}.");
    }

    public BertConfig Config { get; }

    public BertTokenizer Tokenizer { get; }

    /// <summary>Without masks.</summary>
    public IParameterSource Backbone { get; }

    public VersionFiles Pack => _pack;

    public bool IsRegression => _pack.Manifest.Labels.Count == 1;

    /// <summary>In the order of the head's outputs; empty for regression.</summary>
    public IReadOnlyList<string> Labels => IsRegression ? [] : _pack.Manifest.Labels;

    /// <summary>What its head sees.</summary>
    public Pooling Pooling => _pack.Manifest.Pooling;

    public bool HasPairs => _pack.Manifest.Inputs == TextInputs.Pair;

    /// <exception cref="ModelFileException">
    /// A file is missing or damaged, or the model's configuration or tokenizer has changed.
    /// </exception>
    public static TrainedClassifier Open(IRecipeInputs inputs, VersionInput task)
    {
        var model = new BertFolder(inputs.ModelFolder(task.Model));
        var pack = VersionFiles.Open(inputs.TaskFolder(task), task.Version);
        WeightFiles? weights = null;
        try
        {
            weights = model.OpenWeights();
            return new(model, weights, pack);
        }
        catch
        {
            weights?.Dispose();
            pack.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Checks before a job that a dataset has labels that the task knows, and pairs if it reads pairs.
    /// </summary>
    /// <param name="setting">What named the dataset.</param>
    /// <exception cref="SettingException">It has not.</exception>
    public static void ThrowUnlessReads(IRecipeInputs inputs, VersionInput task, string dataset, string setting)
    {
        var manifest = VersionFiles.ReadManifest(inputs.TaskFolder(task), task.Version);
        var data = LabelledDataset.Manifest(inputs, dataset);
        LabelledDataset.ThrowUnlessLabelled(inputs, dataset, isRegression: manifest.Labels.Count == 1, setting);
        if (data.Columns.Pair is not null != (manifest.Inputs == TextInputs.Pair))
        {
            throw new SettingException(
                setting,
                $"Of the task '{task.Task}' and the dataset '{dataset}' one has pairs and one has not; "
                + "both are needed alike.");
        }

        var config = new BertFolder(inputs.ModelFolder(task.Model)).LoadConfig();
        if (manifest.Inputs == TextInputs.Pair && !config.ReadsPairs)
        {
            throw new SettingException(
                setting,
                $"The task '{task.Task}' reads pairs of texts, and its model '{task.Model}' single ones: its "
                + $"type_vocab_size is {config.Types}. Choose a task for a model that tells two texts apart.");
        }

        var unknown = manifest.Labels.Count == 1
            ? []
            : data.Labels.Select(label => label.Label).Except(manifest.Labels, StringComparer.Ordinal).ToList();
        if (unknown.Count > 0)
        {
            throw new SettingException(
                setting,
                $"Labels of the dataset '{dataset}' that the task '{task.Task}' does not know: "
                + $"{string.Join(", ", unknown)}. It knows {string.Join(", ", manifest.Labels)}.");
        }
    }

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        IParameterSource masked = new MaskedParameters(Backbone, _pack);
        if (_pack.Manifest.Pruned is { } pruned)
            masked = new PrunedParameters(masked, Config, pruned);
        masked.Read(name, rows, columns, firstRow, values);
    }

    /// <summary>Logits as the server computes them, to the bit.</summary>
    /// <returns>[rows][outputs]</returns>
    public List<float[]> Logits(
        TensorBackend backend, IEnumerable<DatasetRow> rows, int maxTokens, CancellationToken cancellationToken)
    {
        using var encoder = BertEncoder.Load(backend, Config, Backbone, tokenizer: Tokenizer);
        _pack.ThrowUnlessFor(encoder);
        using var masks = BertMasks.Load(backend, Config, _pack, _pack.Manifest.Pruned);
        var (weight, bias) = _pack.ReadHead(Config.Hidden);
        using var weightTensor = backend.Allocate(bias.Length, Config.Hidden);
        using var biasTensor = backend.Allocate(1, bias.Length);
        weightTensor.CopyFrom(weight);
        biasTensor.CopyFrom(bias);
        var examples = rows.Select(row => new ClassifierExample(LabelledDataset.Encode(Tokenizer, row, maxTokens), 0))
            .ToList();
        return ClassifierEvaluator.Logits(
            backend, encoder, masks, Pooling, weightTensor, biasTensor, examples, cancellationToken);
    }

    public void Dispose()
    {
        _weights.Dispose();
        _pack.Dispose();
    }
}
