using System.CommandLine;
using Serving.V1;
using static Serving.Cli.Commands;

namespace Serving.Cli;

/// <summary>serving analyze evaluate|similarity|memory|connectivity|projection|sweep</summary>
/// <remarks>Each is a job; `serving jobs download` fetches its tables and plots.</remarks>
internal static class AnalyzeCommands
{
    private const string Reference = "TASK, TASK@ALIAS or TASK:VERSION.";

    private static readonly Option<string> Task = new("--task") { Required = true, Description = Reference };
    private static readonly Option<string> Dataset = new("--dataset") { Required = true };
    private static readonly Option<bool> Watch = new("--watch") { Description = "Follows the job until it is over." };

    public static Command Create() => new("analyze", "What tasks know, what they take, and how they lie to each other.")
    {
        Evaluate(), Similarity(), Memory(), Connectivity(), Projection(), Sweep()
    };

    private static Command Evaluate()
    {
        var maxTokens = new Option<int?>("--max-tokens")
        {
            Description = "Longer texts are cut off; as many as the model reads by default."
        };
        const string description = "Judges a task on a dataset: accuracy, F1, Matthews, confusion, calibration.";
        return Job("evaluate", description, [Task, Dataset, maxTokens], parsed =>
        {
            var recipe = new EvaluationRecipe
            {
                Task = References.Parse(parsed.GetValue(Task)!),
                Dataset = parsed.GetValue(Dataset)
            };
            Set(parsed.GetValue(maxTokens), value => recipe.MaxTokens = value);
            return new() { Evaluation = recipe };
        });
    }

    private static Command Similarity()
    {
        var tasks = new Option<string[]>("--tasks")
        {
            Required = true,
            AllowMultipleArgumentsPerToken = true,
            Description = $"At least two: {Reference}"
        };
        return Job("similarity", "How far tasks' masks differ, by tensor and by block.", [tasks], parsed =>
            new() { MaskSimilarity = new() { Tasks = { parsed.GetValue(tasks)!.Select(References.Parse) } } });
    }

    private static Command Memory()
    {
        var most = new Option<int?>("--most-tasks");
        return Job("memory", "What n tasks take as masks, and as fine-tuned models.", [Task, most], parsed =>
        {
            var recipe = new MemoryRecipe { Task = References.Parse(parsed.GetValue(Task)!) };
            Set(parsed.GetValue(most), value => recipe.MostTasks = value);
            return new() { Memory = recipe };
        });
    }

    private static Command Connectivity()
    {
        var first = new Option<string>("--first") { Required = true, Description = Reference };
        var second =
            new Option<string>("--second") { Required = true, Description = $"For the same labels: {Reference}" };
        var training = new Option<string?>("--training-dataset")
        {
            Description = "What a Bézier curve is learned from; the line alone without it."
        };
        var points = new Option<int?>("--points") { Description = "Of a path, ends included." };
        var maxTokens = new Option<int?>("--max-tokens");
        var steps = new Option<int?>("--steps") { Description = "Of learning the curve." };
        var batch = new Option<int?>("--batch") { Description = "Examples of a step." };
        var learningRate = new Option<double?>("--learning-rate");
        var seed = new Option<ulong>("--seed");
        Option[] options = [first, second, Dataset, training, points, maxTokens, steps, batch, learningRate, seed];
        return Job("connectivity", "Losses along a path between two classifiers.", options, parsed =>
        {
            var recipe = new ConnectivityRecipe
            {
                First = References.Parse(parsed.GetValue(first)!),
                Second = References.Parse(parsed.GetValue(second)!),
                Dataset = parsed.GetValue(Dataset),
                TrainingDataset = parsed.GetValue(training) ?? "",
                Seed = parsed.GetValue(seed)
            };
            Set(parsed.GetValue(points), value => recipe.Points = value);
            Set(parsed.GetValue(maxTokens), value => recipe.MaxTokens = value);
            Set(parsed.GetValue(steps), value => recipe.Steps = value);
            Set(parsed.GetValue(batch), value => recipe.BatchSize = value);
            Set(parsed.GetValue(learningRate), value => recipe.LearningRate = value);
            return new() { Connectivity = recipe };
        });
    }

    private static Command Projection()
    {
        var most = new Option<int?>("--most-examples") { Description = "The dataset's first rows." };
        const string description = "[CLS] vectors in two dimensions, without the masks and with them.";
        return Job("projection", description, [Task, Dataset, most], parsed =>
        {
            var recipe = new ProjectionRecipe
            {
                Task = References.Parse(parsed.GetValue(Task)!),
                Dataset = parsed.GetValue(Dataset)
            };
            Set(parsed.GetValue(most), value => recipe.MostExamples = value);
            return new() { Projection = recipe };
        });
    }

    private static Command Sweep()
    {
        var model = new Option<string>("--model") { Required = true, Description = "The backbone." };
        var validation = new Option<string?>("--validation")
        {
            Description = "A dataset to judge by, instead of a part of the other."
        };
        var sparsities = new Option<double[]>("--initial-sparsities") { AllowMultipleArgumentsPerToken = true };
        var blocks = new Option<int[]>("--masked-blocks")
        {
            AllowMultipleArgumentsPerToken = true,
            Description = "How many layers are masked, bottom up and top down."
        };
        var seeds = new Option<ulong[]>("--seeds")
        {
            AllowMultipleArgumentsPerToken = true,
            Description = "Each point is trained with each."
        };
        var epochs = new Option<int?>("--epochs");
        var maxTokens = new Option<int?>("--max-tokens");
        var learningRate = new Option<double?>("--learning-rate");
        const string description = "Trains masks over a range of initial sparsities, or of masked blocks.";
        Option[] options = [model, Dataset, validation, sparsities, blocks, seeds, epochs, maxTokens, learningRate];
        return Job("sweep", description, options, parsed =>
        {
            var trained = new ClassifierRecipe
            {
                Method = TrainingMethod.Mask,
                Model = parsed.GetValue(model),
                Dataset = parsed.GetValue(Dataset),
                ValidationDataset = parsed.GetValue(validation) ?? ""
            };
            Set(parsed.GetValue(epochs), value => trained.Epochs = value);
            Set(parsed.GetValue(maxTokens), value => trained.MaxTokens = value);
            Set(parsed.GetValue(learningRate), value => trained.LearningRate = value);
            return new()
            {
                Sweep = new()
                {
                    Base = trained,
                    InitialSparsities = { parsed.GetValue(sparsities) ?? [] },
                    MaskedBlocks = { parsed.GetValue(blocks) ?? [] },
                    Seeds = { parsed.GetValue(seeds) ?? [] }
                }
            };
        });
    }

    private static Command Job(string verb, string description, Option[] options, Func<ParseResult, JobSpec> spec)
    {
        var command = new Command(verb, description);
        foreach (var option in options)
            command.Add(option);
        command.Add(Watch);
        command.Do((parsed, client, output, cancelled) => JobsCommands.SubmitAsync(
            client, spec(parsed), parsed.GetValue(Watch), output, cancelled));
        return command;
    }
}
