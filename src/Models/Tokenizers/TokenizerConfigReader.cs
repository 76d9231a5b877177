using System.Text.Json;
using Serving.Models.Json;

namespace Serving.Models.Tokenizers;

/// <summary>Reads tokenizer_config.json: what changes tokens is done or refused; what is unknown is refused.</summary>
internal static class TokenizerConfigReader
{
    public const string Lowercase = "do_lower_case";
    public const string StripAccents = "strip_accents";
    public const string SplitIdeographs = "tokenize_chinese_chars";

    /// <summary>Hugging Face has it in tokenizer.json alone.</summary>
    public const string MaxWordCharacters = "max_input_chars_per_word";

    private const string Class = "tokenizer_class";
    private const string Inputs = "model_input_names";
    private const string SplitSpecial = "split_special_tokens";

    /// <summary>Those that split text as BERT's does. The last two say nothing: tokenizer.json says it all.</summary>
    private static readonly string[] Classes =
    [
        "BertTokenizer", "BertTokenizerFast", "ElectraTokenizer", "ElectraTokenizerFast", "PreTrainedTokenizerFast",
        "TokenizersBackend"
    ];

    /// <summary>Would change tokens; harmless while they are empty.</summary>
    private static readonly string[] Empty =
    [
        "never_split", "auto_map", "word_tokenizer_type", "subword_tokenizer_type", "mecab_kwargs", "sudachi_kwargs",
        "jumanpp_kwargs", "do_subword_tokenize", "do_word_tokenize"
    ];

    private static readonly HashSet<string> Read = new(StringComparer.Ordinal)
    {
        Lowercase, StripAccents, SplitIdeographs, MaxWordCharacters, Class, Inputs, SplitSpecial,
        "do_basic_tokenize", "wordpieces_prefix"
    };

    /// <summary>How texts are cut and filled up, which requests say, and where files came from.</summary>
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "model_max_length", "max_len", "max_length", "stride", "truncation_strategy", "truncation_side",
        "padding_side", "padding", "truncation", "pad_to_multiple_of", "pad_token_type_id",
        "clean_up_tokenization_spaces", "chat_template", "name_or_path", "_name_or_path", "vocab_file", "vocab_size",
        "tokenizer_file", "full_tokenizer_file", "special_tokens_map_file", "added_tokens_file", "use_fast",
        "from_slow", "init_inputs",
        "processor_class", "is_local", "local_files_only", "backend", "transformers_version", "trust_remote_code"
    };

    /// <returns>null if there is no such file.</returns>
    /// <exception cref="ModelFileException">A setting is unknown, or one that does not run here.</exception>
    public static JsonFields? TryRead(string path, AddedTokenList added)
    {
        var folder = Path.GetDirectoryName(path)!;
        var model = Path.Combine(folder, ModelFiles.Config);
        if (ModelFiles.IsThere(model))
            ThrowUnlessBert(JsonFields.Read(model, "BERT configuration"), folder);
        if (!ModelFiles.IsThere(path))
            return null;
        var fields = JsonFields.Read(path, "tokenizer configuration");
        ThrowUnlessBert(fields, folder);
        foreach (var name in Empty.Where(name => !fields.IsEmpty(name)))
            throw fields.Refusal(name, "texts are not split that way here; none is needed");
        if (!fields.IsNull("do_basic_tokenize") && fields.Flag("do_basic_tokenize") == false)
            throw fields.Refusal("do_basic_tokenize", "texts are always split into words first; true is needed");
        if (fields.Has("wordpieces_prefix") && fields.Text("wordpieces_prefix") != "##")
            throw fields.Refusal("wordpieces_prefix", "only '##' runs here");
        if (!fields.IsNull(Inputs) && !fields.Texts(Inputs).Contains("token_type_ids", StringComparer.Ordinal))
            throw fields.Refusal(Inputs, "of a pair the second text has type 1 here; token_type_ids is needed");
        AddedTokenReader.Read(fields, added);
        if (!fields.IsNull(SplitSpecial) && fields.Flag(SplitSpecial) == true && added.Any())
            throw fields.Refusal(SplitSpecial, "added tokens are found in texts; false is needed");
        fields.ThrowUnlessKnown(name => Read.Contains(name) || Harmless.Contains(name)
            || Empty.Contains(name) || AddedTokenReader.Knows(name));
        return fields;
    }

    private static void ThrowUnlessBert(JsonFields fields, string folder)
    {
        if (fields.IsNull(Class))
            return;
        var name = fields.Text(Class)!;
        if (!Classes.Contains(name, StringComparer.Ordinal))
            throw fields.Refusal(Class, $"those that run here are {string.Join(", ", Classes)}");
        if (!name.Contains("BertTokenizer", StringComparison.Ordinal)
            && !name.StartsWith("Electra", StringComparison.Ordinal)
            && !ModelFiles.IsThere(Path.Combine(folder, ModelFiles.Tokenizer)))
            throw fields.Refusal(Class, $"it needs {ModelFiles.Tokenizer}, which is missing");
    }
}
