using System.CommandLine;
using Serving.V1;
using static Serving.Cli.Commands;
using Duration = Google.Protobuf.WellKnownTypes.Duration;

namespace Serving.Cli;

/// <summary>serving train mask|finetune|head|pretrain</summary>
internal static class TrainCommands
{
    private static readonly Option<bool> Watch = new("--watch") { Description = "Follows the job until it is over." };
    private static readonly Option<int?> BatchSize = new("--batch") { Description = "Examples of a step." };
    private static readonly Option<double?> LearningRate = new("--learning-rate");
    private static readonly Option<double?> WarmUp =
        new("--warm-up") { Description = "The part of all steps in which the learning rate rises." };
    private static readonly Option<double?> Dropout = new("--dropout");
    private static readonly Option<int> EvaluationInterval =
        new("--evaluation-interval") { Description = "Steps; 0 for one an epoch, or one at the end." };
    private static readonly Option<int?> CheckpointInterval = new("--checkpoint-interval") { Description = "Steps." };
    private static readonly Option<ulong> Seed = new("--seed");

    /// <summary>By their names in the literature.</summary>
    private static readonly Dictionary<string, Objective> Objectives = new(StringComparer.Ordinal)
    {
        ["nsp"] = Objective.NextSentence,
        ["asp"] = Objective.AdjacentSentence,
        ["so"] = Objective.SentenceOrder,
        ["sdp"] = Objective.SentenceDistance,
        ["scp"] = Objective.SentenceCorruption,
        ["tcp"] = Objective.TokenCorruption,
        ["tf"] = Objective.TermFrequency,
        ["tf-idf"] = Objective.TermImportance,
        ["qt"] = Objective.QuickThoughts,
        ["fs"] = Objective.FastSent,
        ["tgs"] = Objective.TrigramShuffling,
        ["cap"] = Objective.Capitalization,
        ["tlp"] = Objective.TokenLength,
        ["sbo"] = Objective.SpanBoundary
    };

    private static readonly Dictionary<string, Combination> Combinations = new(StringComparer.Ordinal)
    {
        ["sum"] = Combination.Sum,
        ["inc"] = Combination.Incremental,
        ["alt"] = Combination.Alternating,
        ["alt+"] = Combination.AlternatingPlus,
        ["cmtl"] = Combination.Continual,
        ["cmtl+"] = Combination.ContinualPlus
    };

    public static Command Create() => new("train", "Training jobs: masks, weights, heads, backbones.")
    {
        Classifier("mask", TrainingMethod.Mask, "Learns masks over a frozen backbone: a task version."),
        Classifier(
            "finetune", TrainingMethod.Finetune, "Trains all weights: a model of its own, and a task version for it."),
        Classifier("head", TrainingMethod.HeadOnly, "Trains the head alone over a frozen backbone: a task version."),
        Pretrain()
    };

    private static Command Classifier(string verb, TrainingMethod method, string description)
    {
        var model = new Option<string>("--model") { Required = true, Description = "The backbone." };
        var dataset = new Option<string>("--dataset") { Required = true };
        var validation = new Option<string?>("--validation")
        {
            Description = "A dataset to judge by, instead of a part of the other."
        };
        var share = new Option<double?>("--validation-share") { Description = "That part." };
        var regression = new Option<bool>("--regression") { Description = "Labels are numbers." };
        var maxTokens = new Option<int?>("--max-tokens") { Description = "Longer texts are cut off." };
        var epochs = new Option<int?>("--epochs");
        var headRate = new Option<double?>("--head-learning-rate") { Description = "The head's, where it is another." };
        var decay = new Option<double?>("--weight-decay");
        var patience = new Option<int>("--patience")
        {
            Description = "Evaluations without a better one after which it stops; 0 for never."
        };
        var sparsity = new Option<double?>("--initial-sparsity");
        var layers = new Option<int[]>("--layers")
        {
            AllowMultipleArgumentsPerToken = true,
            Description = "Layers that are masked, from 0; all by default."
        };
        var freezeHead = new Option<bool>("--freeze-head") { Description = "Leaves the random head as it begins." };
        var task = new Option<string?>("--task") { Description = "The task that gets the version." };
        var alias = new Option<string?>("--alias")
        {
            Description = "An alias to point at it; production by default, if it is the task's first version."
        };
        var noAlias = new Option<bool>("--no-alias") { Description = "Points no alias at it." };
        var minMetric = new Option<double?>("--min-metric")
        {
            Description = "The alias moves only if the metric is at least this."
        };
        var notBelow = new Option<bool>("--not-below-current")
        {
            Description = "The alias moves only if the metric is at least its current version's, on the same data."
        };
        var publishModel =
            new Option<string?>("--publish-model") { Description = "The name of the model that comes out." };
        var command = new Command(verb, description)
        {
            model, dataset, validation, share, regression, maxTokens, epochs, BatchSize, LearningRate, headRate, WarmUp,
            decay, Dropout, EvaluationInterval, patience, CheckpointInterval, Seed, task, alias, noAlias, minMetric,
            notBelow, Watch
        };
        foreach (var option in method switch
        {
            TrainingMethod.Mask => (Option[])[sparsity, layers, freezeHead],
            TrainingMethod.Finetune => [publishModel],
            _ => []
        })
            command.Add(option);
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var recipe = new ClassifierRecipe
            {
                Method = method,
                Model = parsed.GetValue(model),
                Dataset = parsed.GetValue(dataset),
                ValidationDataset = parsed.GetValue(validation) ?? "",
                Regression = parsed.GetValue(regression),
                EvaluationInterval = parsed.GetValue(EvaluationInterval),
                Patience = parsed.GetValue(patience),
                Seed = parsed.GetValue(Seed)
            };
            Set(parsed.GetValue(share), value => recipe.ValidationShare = value);
            Set(parsed.GetValue(maxTokens), value => recipe.MaxTokens = value);
            Set(parsed.GetValue(epochs), value => recipe.Epochs = value);
            Set(parsed.GetValue(BatchSize), value => recipe.BatchSize = value);
            Set(parsed.GetValue(LearningRate), value => recipe.LearningRate = value);
            Set(parsed.GetValue(headRate), value => recipe.HeadLearningRate = value);
            Set(parsed.GetValue(WarmUp), value => recipe.WarmUp = value);
            Set(parsed.GetValue(decay), value => recipe.WeightDecay = value);
            Set(parsed.GetValue(Dropout), value => recipe.Dropout = value);
            Set(parsed.GetValue(CheckpointInterval), value => recipe.CheckpointInterval = value);
            if (method == TrainingMethod.Mask)
            {
                recipe.Mask = new()
                {
                    Layers = { parsed.GetValue(layers) ?? [] },
                    FreezeHead = parsed.GetValue(freezeHead)
                };
                Set(parsed.GetValue(sparsity), value => recipe.Mask.InitialSparsity = value);
            }

            var publish = new Publish
            {
                Task = parsed.GetValue(task) ?? "",
                Alias = parsed.GetValue(alias) ?? "",
                NoAlias = parsed.GetValue(noAlias),
                NotBelowCurrent = parsed.GetValue(notBelow),
                Model = method == TrainingMethod.Finetune ? parsed.GetValue(publishModel) ?? "" : ""
            };
            Set(parsed.GetValue(minMetric), value => publish.MinMetric = value);
            await JobsCommands.SubmitAsync(
                client, new() { Classifier = recipe, Publish = publish }, parsed.GetValue(Watch), output, cancelled);
        });
        return command;
    }

    private static Command Pretrain()
    {
        var datasets = new Option<string[]>("--dataset")
        {
            Required = true,
            AllowMultipleArgumentsPerToken = true,
            Description = "Corpora: a document a row."
        };
        var model = new Option<string>("--publish-model")
        {
            Required = true,
            Description = "The name of the model that comes out."
        };
        var hidden = new Option<int>("--hidden") { DefaultValueFactory = _ => 256 };
        var layers = new Option<int>("--layers") { DefaultValueFactory = _ => 4 };
        var heads = new Option<int>("--heads") { DefaultValueFactory = _ => 4 };
        var vocabulary = new Option<int?>("--vocabulary") { Description = "Its size." };
        var cased = new Option<bool>("--cased");
        var length = new Option<int?>("--length") { Description = "Tokens of a training sequence." };
        var positions = new Option<int?>("--max-positions")
        {
            Description = "Tokens of the longest text that the model can read; those past --length stay untrained."
        };
        var heldOut = new Option<int?>("--held-out") { Description = "Documents to judge by." };
        var steps = new Option<long>("--steps") { Description = "Needed without a budget." };
        var budget = new Option<TimeSpan?>("--budget")
        {
            Description = "How long it may take, HH:MM:SS; the learning rate then goes by time."
        };
        var normal =
            new Option<bool>("--normal-initialization") { Description = "Heads begin without looking at neighbors." };
        var objectives = new Option<string[]>("--objectives")
        {
            AllowMultipleArgumentsPerToken = true,
            Description = $"What is learned beside masked language modelling: {string.Join(", ", Objectives.Keys)}."
        };
        objectives.AcceptOnlyFromAmong([.. Objectives.Keys]);
        var combination = new Option<string>("--combination")
        {
            DefaultValueFactory = _ => "sum",
            Description = $"How they share the steps: {string.Join(", ", Combinations.Keys)}."
        };
        combination.AcceptOnlyFromAmong([.. Combinations.Keys]);
        var control = new Option<bool>("--control")
        {
            Description = "Texts are arranged for the objectives, which are not learned."
        };
        var copies = new Option<int>("--masked-copies")
        {
            Description = "Epochs after which the same tokens are hidden again; 0 for never."
        };
        var shortSequences = new Option<double>("--short-sequences")
        {
            Description = "The share of sequences that are cut to a random length."
        };
        var bfloat16 = new Option<bool>("--bfloat16") { Description = "Stores weights in half the bytes." };
        var command = new Command("pretrain", "Learns a backbone from text: a model.")
        {
            datasets, model, hidden, layers, heads, vocabulary, cased, length, positions, heldOut, steps, budget,
            BatchSize, LearningRate, WarmUp, Dropout, EvaluationInterval, CheckpointInterval, Seed, objectives,
            combination, control, copies, shortSequences, normal, bfloat16, Watch
        };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var recipe = new PretrainingRecipe
            {
                Datasets = { parsed.GetValue(datasets) },
                HiddenSize = parsed.GetValue(hidden),
                Layers = parsed.GetValue(layers),
                Heads = parsed.GetValue(heads),
                Cased = parsed.GetValue(cased),
                Steps = parsed.GetValue(steps),
                EvaluationInterval = parsed.GetValue(EvaluationInterval),
                Seed = parsed.GetValue(Seed),
                Objectives = { (parsed.GetValue(objectives) ?? []).Select(name => Objectives[name]) },
                Combination = Combinations[parsed.GetValue(combination)!],
                Control = parsed.GetValue(control),
                MaskedCopies = parsed.GetValue(copies),
                ShortSequences = parsed.GetValue(shortSequences),
                StoreBfloat16 = parsed.GetValue(bfloat16),
                Initialization = parsed.GetValue(normal) ? Initialization.Normal : Initialization.Unspecified
            };
            Set(parsed.GetValue(budget), value => recipe.Budget = Duration.FromTimeSpan(value));
            Set(parsed.GetValue(vocabulary), value => recipe.VocabularySize = value);
            Set(parsed.GetValue(length), value => recipe.SequenceLength = value);
            Set(parsed.GetValue(positions), value => recipe.MaxPositions = value);
            Set(parsed.GetValue(heldOut), value => recipe.HeldOutDocuments = value);
            Set(parsed.GetValue(BatchSize), value => recipe.BatchSize = value);
            Set(parsed.GetValue(LearningRate), value => recipe.LearningRate = value);
            Set(parsed.GetValue(WarmUp), value => recipe.WarmUp = value);
            Set(parsed.GetValue(Dropout), value => recipe.Dropout = value);
            Set(parsed.GetValue(CheckpointInterval), value => recipe.CheckpointInterval = value);
            var spec = new JobSpec { Pretraining = recipe, Publish = new() { Model = parsed.GetValue(model) } };
            await JobsCommands.SubmitAsync(client, spec, parsed.GetValue(Watch), output, cancelled);
        });
        return command;
    }
}
