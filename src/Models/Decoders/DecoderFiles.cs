using System.Text.Json.Nodes;

namespace Serving.Models.Decoders;

/// <summary>Files that are alike in the folders of all decoders.</summary>
internal static class DecoderFiles
{
    /// <param name="endOfText">The token that stands before and behind texts.</param>
    public static JsonObject TokenizerConfig(DecoderConfig config, string endOfText) => new()
    {
        ["tokenizer_class"] = "PreTrainedTokenizerFast", // All is in tokenizer.json.
        ["bos_token"] = endOfText,
        ["eos_token"] = endOfText,
        ["model_max_length"] = config.MaxPositions,
        ["clean_up_tokenization_spaces"] = false
    };
}
