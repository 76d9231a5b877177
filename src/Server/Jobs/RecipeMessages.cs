using Grpc.Core;
using Serving.Catalog;
using Serving.Server.Requests;
using Serving.Storage;
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

    // At that of scores the head forgets with each batch what it learned from the last.
    private const float MaskHeadLearningRate = 3e-3f;

    /// <param name="table">Where aliases are looked up: the recipe names versions.</param>
    /// <exception cref="RpcException">
    /// INVALID_ARGUMENT: something is missing or no name. NOT_FOUND: a task or version is.
    /// </exception>
    public static Recipe Recipe(V1.JobSpec spec, RoutingTable table) => spec.RecipeCase switch
    {
        V1.JobSpec.RecipeOneofCase.Classifier =>
            Classifier(spec.Classifier, "classifier") with { Incumbent = Incumbent(spec.Publish, table) },
        V1.JobSpec.RecipeOneofCase.Pretraining => Pretraining(spec.Pretraining),
        V1.JobSpec.RecipeOneofCase.Evaluation => new EvaluationRecipe
        {
            Task = Task(spec.Evaluation.Task, table, "evaluation.task"),
            Dataset = ResourceName.Require($"{Prefix}.evaluation.dataset", spec.Evaluation.Dataset),
            MaxTokens = spec.Evaluation.MaxTokens
        },
        V1.JobSpec.RecipeOneofCase.MaskSimilarity => new MaskSimilarityRecipe
        {
            Tasks = [.. spec.MaskSimilarity.Tasks.Select((task, i) => Task(task, table, $"mask_similarity.tasks[{i}]"))]
        },
        V1.JobSpec.RecipeOneofCase.Memory => Memory(spec.Memory, table),
        V1.JobSpec.RecipeOneofCase.Connectivity => Connectivity(spec.Connectivity, table),
        V1.JobSpec.RecipeOneofCase.Projection => Projection(spec.Projection, table),
        V1.JobSpec.RecipeOneofCase.Sweep => new SweepRecipe
        {
            Base = Classifier(spec.Sweep.Base ?? new(), "sweep.base"),
            InitialSparsities = [.. spec.Sweep.InitialSparsities],
            MaskedBlocks = [.. spec.Sweep.MaskedBlocks],
            Seeds = spec.Sweep.Seeds.Count == 0 ? [0] : [.. spec.Sweep.Seeds]
        },
        _ => throw Errors.InvalidArgument(
            $"{Prefix}.recipe",
            "It is missing; say what is to be done: a classifier, a pretraining, an evaluation or an analysis.")
    };

    /// <summary>The path of a recipe's setting: "spec.classifier.learning_rate".</summary>
    public static string Field(V1.JobSpec spec, string setting) => setting switch
    {
        nameof(ClassifierRecipe.Incumbent) => $"{Prefix}.publish.not_below_current",
        nameof(PretrainingRecipe.Hidden) => $"{Prefix}.pretraining.hidden_size",
        _ => $"{Prefix}.{Snake(spec.RecipeCase.ToString())}."
            + Snake(setting.Replace("IsRegression", "Regression", StringComparison.Ordinal))
    };

    private static string Snake(string name) => string.Concat(name.Select((c, i) =>
        char.IsUpper(c) ? (i > 0 && name[i - 1] != '.' ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));

    private static TaskInput Task(V1.TaskReference? reference, RoutingTable table, string field)
    {
        var task = (reference ?? new()).ToSelector();
        var version = table.Desired.Find(task, $"{Prefix}.{field}");
        return new(task.Task, version.Version, table.ModelName(task.Task, version));
    }

    /// <summary>What publishing is to compare with; null if it is not to, or there is nothing yet.</summary>
    private static TaskInput? Incumbent(V1.Publish? publish, RoutingTable table)
    {
        if (publish is not { NotBelowCurrent: true })
            return null;
        var known = table.Tasks.GetValueOrDefault(publish.Task)?.Aliases.Aliases.ContainsKey(publish.Alias) ?? false;
        return known ? Task(new() { Task = publish.Task, Alias = publish.Alias }, table, "publish.task") : null;
    }

    private static MemoryRecipe Memory(V1.MemoryRecipe message, RoutingTable table)
    {
        var recipe = new MemoryRecipe { Task = Task(message.Task, table, "memory.task") };
        return recipe with
        {
            MostTasks = message.HasMostTasks ? message.MostTasks : recipe.MostTasks
        };
    }

    private static ConnectivityRecipe Connectivity(V1.ConnectivityRecipe message, RoutingTable table)
    {
        var recipe = new ConnectivityRecipe
        {
            First = Task(message.First, table, "connectivity.first"),
            Second = Task(message.Second, table, "connectivity.second"),
            Dataset = ResourceName.Require($"{Prefix}.connectivity.dataset", message.Dataset),
            TrainingDataset = message.TrainingDataset.Length == 0
                ? null
                : ResourceName.Require($"{Prefix}.connectivity.training_dataset", message.TrainingDataset),
            Seed = message.Seed
        };
        return recipe with
        {
            Points = message.HasPoints ? message.Points : recipe.Points,
            MaxTokens = message.HasMaxTokens ? message.MaxTokens : recipe.MaxTokens,
            Steps = message.HasSteps ? message.Steps : recipe.Steps,
            BatchSize = message.HasBatchSize ? message.BatchSize : recipe.BatchSize,
            LearningRate = message.HasLearningRate ? (float)message.LearningRate : recipe.LearningRate
        };
    }

    private static ProjectionRecipe Projection(V1.ProjectionRecipe message, RoutingTable table)
    {
        var recipe = new ProjectionRecipe
        {
            Task = Task(message.Task, table, "projection.task"),
            Dataset = ResourceName.Require($"{Prefix}.projection.dataset", message.Dataset)
        };
        return recipe with
        {
            MostExamples = message.HasMostExamples ? message.MostExamples : recipe.MostExamples
        };
    }

    /// <param name="path">Of the message, in the spec.</param>
    private static ClassifierRecipe Classifier(V1.ClassifierRecipe message, string path)
    {
        var method = message.Method switch
        {
            V1.TrainingMethod.Finetune => TrainingMethod.Finetune,
            V1.TrainingMethod.Mask => TrainingMethod.Mask,
            V1.TrainingMethod.HeadOnly => TrainingMethod.HeadOnly,
            _ => throw Errors.InvalidArgument(
                $"{Prefix}.{path}.method", "It is missing; finetune, mask or head only is needed.")
        };
        var (isFinetune, isMask) = (method == TrainingMethod.Finetune, method == TrainingMethod.Mask);
        var learningRate = method switch
        {
            TrainingMethod.Finetune => 1e-4f,
            TrainingMethod.Mask => 2e-2f, // Scores have to cross a threshold; weights only bend.
            _ => 1e-2f
        };
        var defaults = new ClassifierSettings { Method = method };
        return new()
        {
            Model = ResourceName.Require($"{Prefix}.{path}.model", message.Model),
            Dataset = ResourceName.Require($"{Prefix}.{path}.dataset", message.Dataset),
            ValidationDataset = message.ValidationDataset.Length == 0
                ? null
                : ResourceName.Require($"{Prefix}.{path}.validation_dataset", message.ValidationDataset),
            ValidationShare = message.HasValidationShare ? message.ValidationShare : 0.1,
            IsRegression = message.Regression,
            MaxTokens = message.HasMaxTokens ? message.MaxTokens : 128,
            Settings = defaults with
            {
                Epochs = message.HasEpochs ? message.Epochs : defaults.Epochs,
                BatchSize = message.HasBatchSize ? message.BatchSize : defaults.BatchSize,
                LearningRate = message.HasLearningRate ? (float)message.LearningRate : learningRate,
                HeadLearningRate = message.HasHeadLearningRate
                    ? (float)message.HeadLearningRate
                    : isMask ? MaskHeadLearningRate : null,
                WarmUp = message.HasWarmUp ? message.WarmUp : defaults.WarmUp,
                Adam = new()
                {
                    WeightDecay = message.HasWeightDecay ? (float)message.WeightDecay : isFinetune ? 0.01f : 0
                },
                Dropout = message.HasDropout ? (float)message.Dropout : isMask ? 0 : defaults.Dropout,
                EvaluationInterval = message.EvaluationInterval,
                Patience = message.Patience,
                CheckpointInterval = message.HasCheckpointInterval
                    ? message.CheckpointInterval
                    : defaults.CheckpointInterval,
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
        var isTimed = message.Steps == 0 && message.Budget is not null;
        var defaults = new PretrainingSettings { Steps = isTimed ? PretrainingSettings.MostSteps : message.Steps };
        var recipe = new PretrainingRecipe
        {
            Datasets = [.. message.Datasets.Select(
                (name, i) => ResourceName.Require($"{Prefix}.pretraining.datasets[{i}]", name))],
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
                CheckpointInterval = message.HasCheckpointInterval
                    ? message.CheckpointInterval
                    : defaults.CheckpointInterval,
                Seed = message.Seed,
                Initialization = message.Initialization switch
                {
                    V1.Initialization.Unspecified => defaults.Initialization,
                    V1.Initialization.Normal => Initialization.Normal,
                    V1.Initialization.Neighbors => Initialization.Neighbors,
                    _ => throw Errors.InvalidArgument(
                        $"{Prefix}.pretraining.initialization",
                        $"{(int)message.Initialization} is unknown; normal or neighbors is needed.")
                },
                InitialDeviation = message.HasInitialDeviation ? message.InitialDeviation : defaults.InitialDeviation,
                Budget = message.Budget?.ToTimeSpan(),
                GiveUpAfter = message.GiveUpAfter?.ToTimeSpan(),
                GiveUpLoss = message.HasGiveUpLoss ? message.GiveUpLoss : defaults.GiveUpLoss,
                Objectives = [.. message.Objectives.Select(Objective)],
                Combination = Combination(message.Combination),
                IsControl = message.Control,
                MaskedCopies = message.MaskedCopies,
                ShortSequences = message.ShortSequences
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

    /// <summary>Masked language modelling is part of every pretraining, so that no message names it.</summary>
    private static Objective Objective(V1.Objective objective, int i) =>
        ByName<V1.Objective, Objective>(objective, $"{Prefix}.pretraining.objectives[{i}]");

    private static Combination Combination(V1.Combination combination) => combination == V1.Combination.Unspecified
        ? default
        : ByName<V1.Combination, Combination>(combination, $"{Prefix}.pretraining.combination");

    /// <summary>The value of the same name; the message's UNSPECIFIED, 0, has none.</summary>
    private static T ByName<TMessage, T>(TMessage value, string field)
        where TMessage : struct, Enum
        where T : struct, Enum
    {
        if (Convert.ToInt32(value) != 0 && Enum.IsDefined(value))
            return Enum.Parse<T>(value.ToString());
        var known = string.Join(", ", Enum.GetValues<TMessage>().Where(each => Convert.ToInt32(each) != 0));
        throw Errors.InvalidArgument(field, $"{Convert.ToInt32(value)} is unknown; {known} are known.");
    }
}
