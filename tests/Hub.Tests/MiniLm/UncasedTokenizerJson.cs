using System.Text.Json;
using Serving.Text;

namespace Serving.Hub.Tests.MiniLm;

/// <summary>The tokenizer.json of BERT's uncased models.</summary>
internal static class UncasedTokenizerJson
{
    private static readonly string[] Special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

    public static string Of(Vocabulary vocabulary) => JsonSerializer.Serialize(new
    {
        version = "1.0",
        added_tokens = Special.Select(content => new
        {
            id = vocabulary.GetId(content),
            content,
            single_word = false,
            lstrip = false,
            rstrip = false,
            normalized = false,
            special = true
        }),
        normalizer = new
        {
            type = "BertNormalizer",
            clean_text = true,
            handle_chinese_chars = true,
            strip_accents = (bool?)null,
            lowercase = true
        },
        pre_tokenizer = new { type = "BertPreTokenizer" },
        post_processor = new
        {
            type = "BertProcessing",
            sep = new object[] { "[SEP]", vocabulary.GetId("[SEP]") },
            cls = new object[] { "[CLS]", vocabulary.GetId("[CLS]") }
        },
        model = new
        {
            type = "WordPiece",
            unk_token = "[UNK]",
            continuing_subword_prefix = "##",
            max_input_chars_per_word = 100,
            vocab = vocabulary.Tokens.Select((token, id) => (token, id))
                .ToDictionary(pair => pair.token, pair => pair.id, StringComparer.Ordinal)
        }
    });
}
