using Serving.Models;
using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Models.Kinds;
using Serving.Models.Lstm;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Text.Bpe;
using Serving.Training.Decoders;
using Serving.Training.Gpt2;
using Serving.Training.Lstm;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>Models that continue text.</summary>
internal static class GenerativeModel
{
    /// <param name="setting">What names the model.</param>
    /// <exception cref="SettingException">It is of another kind, or nothing ends its texts.</exception>
    public static DecoderConfig Require(IRecipeInputs inputs, string model, string setting)
    {
        if (ModelKinds.Open(inputs.ModelFolder(model)) is not DecoderFolder folder)
        {
            throw new SettingException(
                setting,
                $"'{model}' does not continue text; a model of the kind {Gpt2Folder.Kind} or {LstmFolder.Kind} is "
                + "needed.");
        }

        var config = folder.LoadConfig();
        if (config is LstmConfig { Latent: > 0 })
        {
            throw new SettingException(
                setting,
                $"'{model}' is an autoencoder, whose texts follow from latents; a language model is needed.");
        }

        return config.EndToken is null
            ? throw new SettingException(
                setting,
                $"'{model}' has no token that ends a text; eos_token_id is needed in its {ModelFiles.Config}.")
            : config;
    }

    /// <summary>The folder of a model that <see cref="Require"/> lets through.</summary>
    public static DecoderFolder Folder(IRecipeInputs inputs, string model) =>
        (DecoderFolder)ModelKinds.Open(inputs.ModelFolder(model));

    /// <summary>Reads a model, to be trained or judged.</summary>
    public static DecoderModel Load(TrainingBackend backend, DecoderFolder folder)
    {
        using var files = folder.OpenWeights(out var weights);
        return Load(backend, folder.LoadConfig(), weights);
    }

    /// <param name="weights">Its first ones.</param>
    public static DecoderModel Load(TrainingBackend backend, DecoderConfig config, IParameterSource weights) =>
        config switch
        {
            LstmConfig lstm => LstmModel.Load(backend, lstm, weights),
            _ => Gpt2Model.Load(backend, (Gpt2Config)config, weights)
        };

    /// <summary>Writes a model's folder.</summary>
    /// <param name="format">How weights are kept in the file.</param>
    public static void Write(
        string folder, DecoderConfig config, BpeTokenizer tokenizer, IParameterSource weights, WeightFormat format)
    {
        if (config is LstmConfig lstm)
            LstmFolder.Write(folder, lstm, tokenizer, weights, format);
        else
            Gpt2FolderWriter.Write(folder, (Gpt2Config)config, tokenizer, weights, format);
    }
}
