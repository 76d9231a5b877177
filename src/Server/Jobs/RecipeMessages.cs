using Serving.Server.Storage;
using Serving.Tensors;
using Serving.Training.Bert;
using Serving.Training.Classification;
using Serving.Training.Pretraining;
using Serving.Training.Recipes;

namespace Serving.Server.Jobs;

/// <summary>From messages to recipes: what is left out gets its default.</summary>
internal static class RecipeMessages
{
    private const string Prefix = "spec";

    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: something is missing or no name.</exception>
    public static Recipe Recipe(V1.JobSpec spec) => spec.RecipeCase switch
    {
        V1.JobSpec.RecipeOneofCase.Classifier => Classifier(spec.Classifier),
        V1.JobSpec.RecipeOneofCase.Pretraining => Pretraining(spec.Pretraining),
        _ => throw Errors.InvalidArgument($"{Prefix}.recipe", "It is missing; a classifier or a pretraining is needed.")
    };

    /// <summary>The path of a recipe's setting: "spec.classifier.learning_rate".</summary>
    public static string Field(V1.JobSpec spec, string setting)
    {
        var snake = string.Concat(setting.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));
        return $"{Prefix}.{spec.RecipeCase.ToString().ToLowerInvariant()}.{snake}";
    }

    private static ClassifierRecipe Classifier(V1.ClassifierRecipe message)
    {
        var method = message.Method switch
        {
            V1.TrainingMethod.Finetune => TrainingMethod.Finetune,
            V1.TrainingMethod.Mask => TrainingMethod.Mask,
            V1.TrainingMethod.HeadOnly => TrainingMethod.HeadOnly,
            _ => throw Errors.InvalidArgument($"{Prefix}.classifier.method", "It is missing; finetune, mask or head only is needed.")
        };
        var isFinetune = method == TrainingMethod.Finetune;
        var learningRate = method switch
        {
            TrainingMethod.Finetune => 1e-4f,
            TrainingMethod.Mask => 3e-2f, // Scores have to cross a threshold; weights only bend.
            _ => 1e-2f
        };
        var defaults = new ClassifierSettings { Method = method };
        return new()
        {
            Model = ResourceName.Require($"{Prefix}.classifier.model", message.Model),
            Dataset = ResourceName.Require($"{Prefix}.classifier.dataset", message.Dataset),
            ValidationDataset = message.ValidationDataset.Length == 0
                ? null
                : ResourceName.Require($"{Prefix}.classifier.validation_dataset", message.ValidationDataset),
            ValidationShare = message.HasValidationShare ? message.ValidationShare : 0.1,
            IsRegression = message.Regression,
            MaxTokens = message.HasMaxTokens ? message.MaxTokens : 128,
            Settings = defaults with
            {
                Epochs = message.HasEpochs ? message.Epochs : defaults.Epochs,
                BatchSize = message.HasBatchSize ? message.BatchSize : defaults.BatchSize,
                LearningRate = message.HasLearningRate ? (float)message.LearningRate : learningRate,
                WarmUp = message.HasWarmUp ? message.WarmUp : defaults.WarmUp,
                Adam = new() { WeightDecay = message.HasWeightDecay ? (float)message.WeightDecay : isFinetune ? 0.01f : 0 },
                Dropout = message.HasDropout ? (float)message.Dropout : defaults.Dropout,
                EvaluationInterval = message.EvaluationInterval,
                Patience = message.Patience,
                CheckpointInterval = message.HasCheckpointInterval ? message.CheckpointInterval : defaults.CheckpointInterval,
                Seed = message.Seed,
                TrainsHead = message.Mask?.FreezeHead != true,
                Mask = Mask(message.Mask ?? new())
            }
        };
    }

    private static MaskSettings Mask(V1.MaskSettings message)
    {
        var defaults = new MaskSettings();
        return defaults with
        {
            InitialSparsity = message.HasInitialSparsity ? message.InitialSparsity : defaults.InitialSparsity,
            Initialization = message.ByMagnitude ? ScoreInitialization.Magnitude : ScoreInitialization.Uniform,
            Layers = message.Layers.Count == 0 ? null : [.. message.Layers],
            MasksPooler = !message.SkipPooler
        };
    }

    private static PretrainingRecipe Pretraining(V1.PretrainingRecipe message)
    {
        var defaults = new PretrainingSettings { Steps = message.Steps };
        var recipe = new PretrainingRecipe
        {
            Datasets = [.. message.Datasets.Select((name, i) => ResourceName.Require($"{Prefix}.pretraining.datasets[{i}]", name))],
            Hidden = message.HiddenSize,
            Layers = message.Layers,
            Heads = message.Heads,
            IsLowercase = !message.Cased,
            Format = message.StoreBfloat16 ? WeightFormat.BFloat16 : WeightFormat.Float32,
            Settings = defaults with
            {
                BatchSize = message.HasBatchSize ? message.BatchSize : defaults.BatchSize,
                LearningRate = message.HasLearningRate ? (float)message.LearningRate : defaults.LearningRate,
                WarmUp = message.HasWarmUp ? message.WarmUp : defaults.WarmUp,
                Dropout = message.HasDropout ? (float)message.Dropout : defaults.Dropout,
                EvaluationInterval = message.EvaluationInterval,
                CheckpointInterval = message.HasCheckpointInterval ? message.CheckpointInterval : defaults.CheckpointInterval,
                Seed = message.Seed
            }
        };
        return recipe with
        {
            MaxPositions = message.HasMaxPositions ? message.MaxPositions : recipe.MaxPositions,
            VocabularySize = message.HasVocabularySize ? message.VocabularySize : recipe.VocabularySize,
            SequenceLength = message.HasSequenceLength ? message.SequenceLength : recipe.SequenceLength,
            HeldOutDocuments = message.HasHeldOutDocuments ? message.HeldOutDocuments : recipe.HeldOutDocuments
        };
    }
}
