using Serving.Training.Classification;
using Serving.Training.Recipes;

namespace Serving.Training.Tests.Classification;

public sealed class ClassifierSettingsTests
{
    [Theory]
    [InlineData(TrainingMethod.Finetune, 3, 0.01f, 0.1f)]
    [InlineData(TrainingMethod.Mask, 5, 0f, 0f)]
    [InlineData(TrainingMethod.HeadOnly, 3, 0f, 0.1f)]
    public void Defaults_FollowFromTheMethod(TrainingMethod method, int epochs, float weightDecay, float dropout)
    {
        var settings = new ClassifierSettings { Method = method };
        Assert.Equal(
            (epochs, weightDecay, dropout), (settings.Epochs, settings.Adam.WeightDecay, settings.Dropout));
    }

    /// <summary>A tiny shape, then those of the backbone that is shipped, of MiniLM and of BERT-base.</summary>
    [Theory]
    [InlineData(TrainingMethod.Mask, 2, 8, 2e-2f, 1e-2f)]
    [InlineData(TrainingMethod.Finetune, 4, 256, 2.4e-4f, 2.4e-4f)]
    [InlineData(TrainingMethod.Mask, 4, 256, 9.8e-3f, 2.9e-3f)]
    [InlineData(TrainingMethod.HeadOnly, 4, 256, 9.8e-3f, 9.8e-3f)]
    [InlineData(TrainingMethod.Finetune, 6, 384, 1.1e-4f, 1.1e-4f)]
    [InlineData(TrainingMethod.Mask, 6, 384, 1.9e-3f, 2e-3f)]
    [InlineData(TrainingMethod.HeadOnly, 6, 384, 6.5e-3f, 6.5e-3f)]
    [InlineData(TrainingMethod.Finetune, 12, 768, 2.7e-5f, 2.7e-5f)]
    [InlineData(TrainingMethod.Mask, 12, 768, 1e-3f, 9.8e-4f)]
    public void Rates_FollowFromTheBackbone(
        TrainingMethod method, int layers, int hidden, float learningRate, float headLearningRate)
    {
        var settings = new ClassifierSettings { Method = method }.For(
            Small.Config with { Layers = layers, Hidden = hidden });
        Assert.Equal((learningRate, headLearningRate), (settings.LearningRate, settings.HeadLearningRate));
    }

    [Fact]
    public void Rates_ThatAreGiven_Stay()
    {
        var settings = new ClassifierSettings
        {
            Method = TrainingMethod.Mask,
            LearningRate = 0.5f
        };
        Assert.Equal((0.5f, 0.25f), Rates(settings with { HeadLearningRate = 0.25f }));
        Assert.Equal(0.5f, Rates(settings).Rate);
        Assert.Equal((0.5f, 0.5f), Rates(settings with { Method = TrainingMethod.Finetune }));

        static (float? Rate, float? Head) Rates(ClassifierSettings settings)
        {
            var set = settings.For(Small.Config);
            return (set.LearningRate, set.HeadLearningRate);
        }
    }

    [Fact]
    public void Rates_OfAStoredRecipe_AreThoseOfItsRelease()
    {
        const string stored =
            """
            {"recipe":"classifier","model":"m","dataset":"d","settings":
              {"method":"mask","learning_rate":0.02,"head_learning_rate":0.003}}
            """;
        var settings = ((ClassifierRecipe)Recipe.Parse(stored)).Settings.For(Small.Config);
        Assert.Equal((0.02f, 0.003f), (settings.LearningRate, settings.HeadLearningRate));
    }
}
