using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Testing;
using Serving.Training.Bert;
using Serving.Training.Classification;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Recipes;

public sealed class RecipeTests : RecipeFixture
{
    private const string SingleTexts = "cases/c28-type-vocab-1";

    [Fact]
    public void Pretraining_MakesAModelFolder()
    {
        var folder = new BertFolder(ModelFolder("backbone"));
        using var encoder = folder.LoadEncoder(Backend);
        Assert.Equal((32, 2, 64), (encoder.Config.Hidden, encoder.Config.Layers, encoder.Config.MaxPositions));
        var tokenizer = folder.LoadTokenizer();
        Assert.Equal(encoder.Config.Vocab, tokenizer.Vocabulary.Count);
        Assert.Equal(
            ["lovely", "film"], tokenizer.Tokenize("Lovely film").Select(token => tokenizer.Vocabulary[token.Id]));
    }

    [Theory]
    [InlineData(TrainingMethod.Mask)]
    [InlineData(TrainingMethod.HeadOnly)]
    [InlineData(TrainingMethod.Finetune)]
    public void Classifier_MakesATaskVersion_ThatItsModelServes(TrainingMethod method)
    {
        var epochs = method == TrainingMethod.Mask ? 60 : 12;
        var result = Run("job", Classifier(method, epochs) with { ValidationDataset = "tone-dev" });

        using var encoder = new BertFolder(result.Model ?? ModelFolder("backbone")).LoadEncoder(Backend);
        using var pack = VersionFiles.Open(result.TaskVersion!, Path.GetFileName(result.TaskVersion));
        using var task = LoadedVersion.Load(Backend, encoder, pack);
        Assert.Equal(method == TrainingMethod.Finetune, result.Model is not null);
        Assert.Equal(["bad", "good"], task.Labels);
        Assert.InRange(result.Metrics["accuracy"], method == TrainingMethod.HeadOnly ? 0.5 : 0.9, 1);
        Assert.Equal(result.Metrics["accuracy"], pack.Manifest.Metrics["accuracy"]);
        Assert.Equal(("job", 2), (pack.Manifest.Lineage!.Job, pack.Manifest.Lineage.Data.Count));
        Assert.Equal("tone", pack.Manifest.Lineage.Settings["dataset"].GetString());
        Assert.Equal(method == TrainingMethod.Mask ? 13 : 0, pack.Manifest.Kept.Count);
    }

    /// <summary>As sentence-transformers save models: the pooler is not there.</summary>
    [Theory]
    [InlineData(null, Pooling.Mean)]
    [InlineData(Pooling.Cls, Pooling.Cls)]
    public void Classifier_OverAModelWithoutAPooler_SaysWhatItsHeadSees(Pooling? asked, Pooling pooling)
    {
        var folder = RemovePooler();
        var recipe = Classifier(TrainingMethod.Mask, epochs: 60) with { ValidationDataset = "tone-dev" };
        recipe = recipe with { Settings = recipe.Settings with { Pooling = asked } };

        var result = Run("job", recipe);

        using var encoder = folder.LoadEncoder(Backend);
        using var pack = VersionFiles.Open(result.TaskVersion!, Path.GetFileName(result.TaskVersion));
        using var task = LoadedVersion.Load(Backend, encoder, pack);
        Assert.Equal(pooling, task.Pooling);
        Assert.Equal(12, pack.Manifest.Kept.Count);
        Assert.InRange(result.Metrics["accuracy"], 0.9, 1);
        var evaluation = Run("again", new EvaluationRecipe
        {
            Task = new("job", pack.Version, "backbone"),
            Dataset = "tone-dev"
        });
        Assert.Equal(result.Metrics["accuracy"], evaluation.Metrics["accuracy"]);
    }

    [Fact]
    public void Classifier_ThatWantsAPoolerThatIsNotThere_IsRefused()
    {
        RemovePooler();
        var recipe = Classifier(TrainingMethod.Mask);
        recipe = recipe with { Settings = recipe.Settings with { Pooling = Pooling.Pooler } };
        Assert.Contains(
            "saved without its pooler", Assert.Throws<SettingException>(() => recipe.Validate(this)).Message);
    }

    /// <summary>Writes the backbone again, without its pooler.</summary>
    private BertFolder RemovePooler()
    {
        var folder = new BertFolder(ModelFolder("backbone"));
        var written = ModelFolder("backbone") + "-without";
        using (var weights = folder.OpenWeights())
        {
            var config = folder.LoadConfig() with { HasPooler = false };
            using var model = BertModel.Load(Backend, config, new CheckpointParameters(weights));
            BertFolderWriter.Write(written, config, folder.LoadTokenizer(), model.Tensors(), model);
        }

        Directory.Delete(ModelFolder("backbone"), recursive: true);
        Directory.Move(written, ModelFolder("backbone"));
        return folder;
    }

    [Fact]
    public void Classifier_OnPairs_ReadsPairs()
    {
        var result = Run(
            "job", Classifier(TrainingMethod.Mask, epochs: 1) with { Dataset = "pairs", ValidationShare = 0.2 });
        using var pack = VersionFiles.Open(result.TaskVersion!, null);
        Assert.Equal((TextInputs.Pair, 1), (pack.Manifest.Inputs, pack.Manifest.Lineage!.Data.Count));
    }

    [Fact]
    public void Classifier_OfNumbers_IsARegression()
    {
        var result = Run("job", Classifier(TrainingMethod.Finetune) with { Dataset = "marks", IsRegression = true });
        Assert.InRange(result.Metrics["pearson"], 0.8, 1);
        using var pack = VersionFiles.Open(result.TaskVersion!, null);
        Assert.Equal(["value"], pack.Manifest.Labels);
    }

    [Fact]
    public void Classifier_RunAgain_IsTheSameVersion()
    {
        var recipe = Classifier(TrainingMethod.Mask, epochs: 2);
        var first = Path.GetFileName(Run("job", recipe).TaskVersion);
        Directory.Delete(JobFolder("job"), recursive: true);
        Assert.Equal(first, Path.GetFileName(Run("job", recipe).TaskVersion));
    }

    [Fact]
    public void Pairs_ForAModelOfSingleTexts_AreRefusedBeforeAnythingIsTrained()
    {
        var config = Path.Combine(ModelFolder("backbone"), "config.json");
        File.WriteAllText(
            config, File.ReadAllText(config).Replace("\"type_vocab_size\": 2", "\"type_vocab_size\": 1"));
        RefusesPairs("backbone");
    }

    [SharedFact(SingleTexts)]
    public void Pairs_ForTheHandedModelOfSingleTexts_AreRefusedBeforeAnythingIsTrained()
    {
        Directory.CreateDirectory(ModelFolder("single"));
        foreach (var file in Directory.EnumerateFiles(SharedFiles.At(SingleTexts)))
            File.Copy(file, Path.Combine(ModelFolder("single"), Path.GetFileName(file)));
        RefusesPairs("single");
    }

    private void RefusesPairs(string model)
    {
        foreach (var method in Enum.GetValues<TrainingMethod>())
        {
            var recipe = Classifier(method) with { Model = model, Dataset = "pairs" };
            var error = Assert.Throws<SettingException>(() => recipe.Validate(this));
            Assert.Contains(
                $"The dataset 'pairs' has pairs of texts, and the model '{model}' reads single ones: its "
                + "type_vocab_size is 1.",
                error.Message, StringComparison.Ordinal);
            (recipe with { Dataset = "tone" }).Validate(this);
        }
    }

    [Fact]
    public void Recipes_AreStoredWithoutLoss()
    {
        foreach (var recipe in (Recipe[])[Pretraining, Classifier(TrainingMethod.Mask)])
        {
            var again = Recipe.Parse(recipe.ToJson());
            Assert.Equal(recipe.ToJson(), again.ToJson());
            Assert.Equal(recipe.GetType(), again.GetType());
        }
    }

    [Fact]
    public void Run_WhatCannotBe_IsRefusedBeforeAnythingIsTrained()
    {
        var recipe = Classifier(TrainingMethod.Mask);
        Refused(
            "dataset: The dataset 'corpus' has no labels; upload it with a label column.",
            recipe with { Dataset = "corpus" });
        Refused(
            "regression: Row 1 of the dataset 'tone' has the label 'good', which is no number; regression needs "
            + "numbers, written like 1.5 or -2.",
            recipe with { IsRegression = true });
        Refused(
            "validation_dataset: Of 'tone' and 'pairs' one has pairs and one has not; both are needed alike.",
            recipe with { ValidationDataset = "pairs" });
        Refused("validation_share: It is 0; it must be above 0 and below 1.", recipe with { ValidationShare = 0 });
        Refused(
            "max_tokens: It is 65; it must be 3 to 64, what the model has positions for.",
            recipe with { MaxTokens = 65 });
        Refused(
            "hidden_size: It is 33; it must be a multiple of the 2 heads, at most 8192.",
            Pretraining with { Hidden = 33 });
        Refused("vocabulary_size: It is 5; it must be 100 to 65536.", Pretraining with { VocabularySize = 5 });
        Refused("datasets: There is no corpus; name at least one dataset.", Pretraining with { Datasets = [] });
        Refused(
            "held_out_documents: The corpus has no more than 200 documents, which are held out; give more text, or "
            + "hold out less.",
            Pretraining with { HeldOutDocuments = 200 });

        void Refused(string message, Recipe bad)
        {
            var steps = 0;
            Assert.Equal(
                message, Assert.ThrowsAny<ArgumentException>(() => bad.Run(Context("job", () => steps++))).Message);
            Assert.Equal(0, steps);
        }
    }
}
