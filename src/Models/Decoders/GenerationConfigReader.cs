using System.Text.Json;
using Serving.Models.Json;

namespace Serving.Models.Decoders;

/// <summary>Reads generation_config.json: what changes a text is done or refused; what is not known, too.</summary>
internal static class GenerationConfigReader
{
    private const string Ends = "eos_token_id";
    private const string Bad = "bad_words_ids";

    private static readonly HashSet<string> Read = new(StringComparer.Ordinal)
    {
        "do_sample", "max_new_tokens", "min_new_tokens", "temperature", "top_k", "top_p", "min_p", "typical_p",
        "epsilon_cutoff", "eta_cutoff", "repetition_penalty", "no_repeat_ngram_size", Ends, Bad
    };

    /// <summary>Would give another text; harmless with the value beside it, and null.</summary>
    private static readonly Dictionary<string, double> Neutral = new(StringComparer.Ordinal)
    {
        ["num_beams"] = 1,
        ["num_beam_groups"] = 1,
        ["diversity_penalty"] = 0,
        ["penalty_alpha"] = 0,
        ["guidance_scale"] = 1,
        ["encoder_repetition_penalty"] = 1,
        ["encoder_no_repeat_ngram_size"] = 0,
        ["num_return_sequences"] = 1,
        ["min_length"] = 0
    };

    /// <summary>Would give another text; harmless while they are empty.</summary>
    private static readonly string[] Empty =
    [
        "forced_bos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens", "sequence_bias",
        "force_words_ids", "constraints", "exponential_decay_length_penalty", "watermarking_config", "stop_strings",
        "forced_decoder_ids", "dola_layers"
    ];

    /// <summary>Of how a library computes, of beams, of lengths that requests give, and of files.</summary>
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "_from_model_config", "transformers_version", "_commit_hash", "bos_token_id", "pad_token_id",
        "decoder_start_token_id", "max_length", "max_time", "early_stopping", "length_penalty", "use_cache",
        "cache_implementation", "cache_config", "return_legacy_cache", "output_attentions", "output_hidden_states",
        "output_scores", "output_logits", "return_dict_in_generate", "renormalize_logits", "remove_invalid_values",
        "low_memory", "generation_kwargs", "assistant_early_exit", "is_assistant", "num_assistant_tokens",
        "num_assistant_tokens_schedule", "assistant_confidence_threshold", "prompt_lookup_num_tokens",
        "max_matching_ngram_size", "assistant_lookbehind", "target_lookbehind", "prefill_chunk_size",
        "disable_compile", "compile_config", "token_healing", "trust_remote_code"
    };

    /// <exception cref="ModelFileException">A field is unknown or has a value that does not run here.</exception>
    public static GenerationDefaults Load(string path)
    {
        var fields = JsonFields.Read(path, "configuration of generation");
        foreach (var (name, neutral) in Neutral)
        {
            if (!fields.IsNull(name) && fields.Real(name) != neutral)
                throw fields.Refusal(name, $"it is not done here; {neutral} is needed");
        }

        foreach (var name in Empty.Where(name => !fields.IsEmpty(name)))
            throw fields.Refusal(name, "it is not done here; none is needed");
        fields.ThrowUnlessKnown(name =>
            Read.Contains(name) || Neutral.ContainsKey(name) || Empty.Contains(name) || Harmless.Contains(name));
        return new()
        {
            Samples = fields.IsNull("do_sample") ? null : fields.Flag("do_sample"),
            MaxNewTokens = Whole(fields, "max_new_tokens"),
            MinNewTokens = Whole(fields, "min_new_tokens"),
            Temperature = fields.Real("temperature"),
            TopK = Whole(fields, "top_k"),
            TopP = fields.Real("top_p"),
            MinP = fields.Real("min_p"),
            TypicalP = fields.Real("typical_p"),
            EpsilonCutoff = fields.Real("epsilon_cutoff"),
            EtaCutoff = fields.Real("eta_cutoff"),
            RepetitionPenalty = fields.Real("repetition_penalty"),
            NoRepeatNgramSize = Whole(fields, "no_repeat_ngram_size"),
            EndTokens = fields.Kind(Ends) == JsonValueKind.Number
                ? [fields.Number(Ends, 0, int.MaxValue)]
                : Ids(fields, Ends, fields.List(Ends)),
            BadWords =
            [
                .. fields.List(Bad).Select(word => word.ValueKind == JsonValueKind.Array
                    ? Ids(fields, Bad, word.EnumerateArray())
                    : throw fields.Refusal(Bad, "a list of lists of ids is needed"))
            ]
        };
    }

    private static int? Whole(JsonFields fields, string name) =>
        fields.IsNull(name) ? null : fields.Number(name, 0, int.MaxValue);

    private static IReadOnlyList<int> Ids(JsonFields fields, string name, IEnumerable<JsonElement> elements) =>
    [
        .. elements.Select(element =>
            element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out var id) && id >= 0
                ? id
                : throw fields.Refusal(name, "ids of tokens are needed"))
    ];
}
