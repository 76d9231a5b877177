using System.Globalization;
using System.Text.Json.Nodes;
using Serving.Text.Bert;

namespace Serving.Models.Tokenizers;

/// <summary>Writes tokenizer_config.json, so that a folder's tokens are those that its model was trained on.</summary>
internal static class TokenizerConfigWriter
{
    /// <exception cref="ModelFileException">An option has no place in the file.</exception>
    public static JsonObject Write(BertTokenizerOptions options, int maxTokens)
    {
        var defaults = new BertTokenizerOptions();
        var config = new JsonObject
        {
            ["tokenizer_class"] = "BertTokenizer",
            [TokenizerConfigReader.Lowercase] = options.Lowercase,
            ["model_max_length"] = maxTokens
        };
        if (options.StripsAccents != options.Lowercase)
            config[TokenizerConfigReader.StripAccents] = options.StripsAccents;
        if (options.SplitIdeographs != defaults.SplitIdeographs)
            config[TokenizerConfigReader.SplitIdeographs] = options.SplitIdeographs;
        if (options.MaxWordCharacters != defaults.MaxWordCharacters)
            config[TokenizerConfigReader.MaxWordCharacters] = options.MaxWordCharacters;
        if (options.AddedTokens.Count == 0)
            return config;
        var added = new JsonObject();
        foreach (var token in options.AddedTokens)
        {
            added[token.Id.ToString(CultureInfo.InvariantCulture)] = new JsonObject
            {
                ["content"] = token.Content,
                ["special"] = true,
                ["normalized"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["single_word"] = false
            };
        }

        config["added_tokens_decoder"] = added;
        return config;
    }
}
