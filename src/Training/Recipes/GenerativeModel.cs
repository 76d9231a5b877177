using Serving.Models;
using Serving.Models.Gpt2;
using Serving.Models.Kinds;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>Models that continue text.</summary>
internal static class GenerativeModel
{
    /// <param name="setting">What names the model.</param>
    /// <exception cref="SettingException">It is of another kind, or nothing ends its texts.</exception>
    public static Gpt2Config Require(IRecipeInputs inputs, string model, string setting)
    {
        if (ModelKinds.Open(inputs.ModelFolder(model)) is not Gpt2Folder folder)
        {
            throw new SettingException(
                setting, $"'{model}' does not continue text; a model of the kind {Gpt2Folder.Kind} is needed.");
        }

        var config = folder.LoadConfig();
        return config.EndToken is null
            ? throw new SettingException(
                setting,
                $"'{model}' has no token that ends a text; eos_token_id is needed in its {ModelFiles.Config}.")
            : config;
    }
}
