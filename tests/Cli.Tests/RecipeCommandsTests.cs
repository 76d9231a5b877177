using System.CommandLine;
using System.Text.RegularExpressions;
using Serving.V1;

namespace Serving.Cli.Tests;

public sealed partial class RecipeCommandsTests
{
    public static TheoryData<string> All => [.. RecipeCommands.Descriptions.Recipes.Select(recipe => recipe.Command)];

    [Theory]
    [MemberData(nameof(All))]
    public void Help_SaysMeaningRangeAndDefaultOfEverySetting(string command)
    {
        using var output = new StringWriter();
        Commands.Create().Parse($"{command} --help").Invoke(new() { Output = output });
        var help = Spaces().Replace(output.ToString(), " ");

        foreach (var setting in Find(command).Settings)
        {
            var name = SettingOption.NameOf(setting);
            var at = help.IndexOf($"{name} ", StringComparison.Ordinal);
            Assert.True(at >= 0 || setting.Kind == SettingKind.Flag, $"{command}: {name} is missing.");
            Assert.Contains(setting.Help, help, StringComparison.Ordinal);
            Assert.Contains(setting.Range, help, StringComparison.Ordinal);
            Assert.All(setting.Choices, choice => Assert.Matches($@"[<|]{Regex.Escape(choice.Name)}[|>]", help));
            if (setting.Default.Length > 0)
                Assert.Contains($"default: {setting.Default}", help, StringComparison.Ordinal);
            if (setting.Otherwise.Length > 0)
                Assert.Contains($"default: {setting.Otherwise}", help, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Rate_IsANumberOrAuto()
    {
        Assert.Empty(Parse("0.5").Errors);
        Assert.Empty(Parse("auto").Errors);
        Assert.Equal(
            "--learning-rate: 'fast' is no number; one is written like 0.5, or auto.", Parse("fast").Errors[0].Message);

        static System.CommandLine.ParseResult Parse(string rate) =>
            Commands.Create().Parse($"train mask --model m --dataset d --learning-rate {rate}");
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Options_HaveNamesOfTheirOwn(string command)
    {
        var options = RecipeCommands.Build(Find(command)).Command.Options;
        var names = options.SelectMany(option => option.Aliases.Append(option.Name)).ToList();
        Assert.Equal(names.Distinct(StringComparer.Ordinal), names);
    }

    [Theory]
    [InlineData("--task t", "--task: The version needs the model that comes out; name it, too: --publish-model NAME.")]
    [InlineData("--task t --publish-model p", null)]
    [InlineData("", null)]
    public void Finetune_WithATask_NeedsTheNameOfItsModel(string options, string? error)
    {
        var parsed = Commands.Create().Parse($"train finetune --model m --dataset d {options}");
        Assert.Equal(error, parsed.Errors.SingleOrDefault()?.Message);
    }

    [Fact]
    public void Options_BecomeFields()
    {
        var spec = Read("train mask", "--model m --dataset d --validation v --batch 8 --learning-rate 0.5 --seed 7 "
            + "--layers 0 2 --by-magnitude --skip-pooler --freeze-head --initial-sparsity 0.25 --task t --no-alias");
        Assert.Equal(
            new JobSpec
            {
                Classifier = new()
                {
                    Method = TrainingMethod.Mask,
                    Model = "m",
                    Dataset = "d",
                    ValidationDataset = "v",
                    BatchSize = 8,
                    LearningRate = 0.5,
                    Seed = 7,
                    Mask = new()
                    {
                        Layers = { 0, 2 },
                        ByMagnitude = true,
                        SkipPooler = true,
                        FreezeHead = true,
                        InitialSparsity = 0.25
                    }
                },
                Publish = new() { Task = "t", NoAlias = true }
            },
            spec);
    }

    [Fact]
    public void Options_OfPretraining_BecomeFields()
    {
        var spec = Read("train pretrain", "--dataset a b --publish-model own --hidden 32 --budget 00:45:00 "
            + "--give-up-after 00:10:00 --give-up-loss 5 --initial-deviation 0.01 --normal-initialization "
            + "--objectives nsp tf-idf --combination alt+ --bfloat16");
        Assert.Equal(
            new JobSpec
            {
                Pretraining = new()
                {
                    Datasets = { "a", "b" },
                    HiddenSize = 32,
                    Budget = new() { Seconds = 2700 },
                    GiveUpAfter = new() { Seconds = 600 },
                    GiveUpLoss = 5,
                    InitialDeviation = 0.01,
                    Initialization = Initialization.Normal,
                    Objectives = { Objective.NextSentence, Objective.TermImportance },
                    Combination = Combination.AlternatingPlus,
                    StoreBfloat16 = true
                },
                Publish = new() { Model = "own" }
            },
            spec);
    }

    [Fact]
    public void Options_OfAnalyses_BecomeFields()
    {
        Assert.Equal(
            new JobSpec
            {
                Sweep = new()
                {
                    Base = new() { Method = TrainingMethod.Mask, Model = "m", Dataset = "d", Epochs = 2 },
                    InitialSparsities = { 0.1, 0.2 },
                    Seeds = { 1, 2 }
                }
            },
            Read("analyze sweep", "--model m --dataset d --epochs 2 --initial-sparsities 0.1 0.2 --seeds 1 2"));
        Assert.Equal(
            new JobSpec
            {
                MaskSimilarity = new()
                {
                    Tasks = { new TaskReference { Task = "a" }, new TaskReference { Task = "b", Alias = "canary" } }
                }
            },
            Read("analyze similarity", "--tasks a b@canary"));
    }

    [Fact]
    public void Options_ThatAreNoValues_AreRefused()
    {
        var (command, _) = RecipeCommands.Build(Find("train pretrain"));
        Assert.NotEmpty(command.Parse("--dataset a --publish-model m --objectives nope").Errors);
        Assert.NotEmpty(command.Parse("--dataset a --publish-model m --layers few").Errors);
        Assert.NotEmpty(command.Parse("--publish-model m").Errors);
        Assert.Empty(command.Parse("--dataset a --publish-model m --layers 3").Errors);
    }

    [Theory]
    [InlineData("train mask --model m --dataset d --learning-rate 0,001", "--learning-rate: '0,001'")]
    [InlineData("train mask --model m --dataset d --min-metric 0,85", "--min-metric: '0,85'")]
    [InlineData("analyze sweep --model m --dataset d --initial-sparsities 0.1 0,2", "--initial-sparsities: '0,2'")]
    [InlineData("tasks promote t 12ab --canary 0,1", "--canary: '0,1'")]
    public void Numbers_WithCommas_AreRefused(string command, string error)
    {
        var errors = Commands.Create().Parse(command).Errors.Select(each => each.Message).ToList();
        Assert.Contains(
            errors,
            each => each.StartsWith($"{error} is no number; one is written like 0.5", StringComparison.Ordinal));
        Assert.Empty(Commands.Create().Parse(command.Replace(',', '.')).Errors);
    }

    private static RecipeDescription Find(string command) =>
        RecipeCommands.Descriptions.Recipes.Single(recipe => recipe.Command == command);

    private static JobSpec Read(string command, string options)
    {
        var (built, read) = RecipeCommands.Build(Find(command));
        var parsed = built.Parse(options);
        Assert.Empty(parsed.Errors);
        return read(parsed);
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
