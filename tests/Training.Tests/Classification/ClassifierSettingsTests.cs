using Serving.Training.Classification;
using Serving.Training.Recipes;

namespace Serving.Training.Tests.Classification;

public sealed class ClassifierSettingsTests
{
    [Theory]
    [InlineData(TrainingMethod.Finetune, 1e-4f, null, 0.01f, 0.1f)]
    [InlineData(TrainingMethod.Mask, 2e-2f, 3e-3f, 0f, 0f)]
    [InlineData(TrainingMethod.HeadOnly, 1e-2f, null, 0f, 0.1f)]
    public void Defaults_FollowFromTheMethod(
        TrainingMethod method, float learningRate, float? headLearningRate, float weightDecay, float dropout)
    {
        var settings = new ClassifierSettings { Method = method };
        Assert.Equal(
            (learningRate, headLearningRate, weightDecay, dropout),
            (settings.LearningRate, settings.HeadLearningRate, settings.Adam.WeightDecay, settings.Dropout));
    }

    /// <summary>Null is a value, too: the head learns at the rate of the scores.</summary>
    [Fact]
    public void HeadLearningRate_ThatIsStoredAsNone_StaysNone()
    {
        var recipe = new ClassifierRecipe
        {
            Model = "m",
            Dataset = "d",
            Settings = new() { Method = TrainingMethod.Mask, HeadLearningRate = null }
        };
        Assert.Null(((ClassifierRecipe)Recipe.Parse(recipe.ToJson())).Settings.HeadLearningRate);
    }
}
