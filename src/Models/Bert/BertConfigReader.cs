using System.Text.Json;
using Serving.Models.Json;
using Serving.Text.Bert;

namespace Serving.Models.Bert;

/// <summary>Reads config.json: what changes the arithmetic is done or refused, and so is what is not known.</summary>
internal static class BertConfigReader
{
    private const int MostOfASize = 1 << 24; // Far above any model; keeps products of two sizes within a long.

    /// <summary>A pair has three special tokens and two of its own.</summary>
    private const int FewestPositions = BertTokenizer.FewestPairTokens;

    private static readonly string[] ExactGelu = ["gelu", "gelu_python"];

    /// <summary>Read here or by the tokenizer's reader.</summary>
    private static readonly HashSet<string> Read = new(StringComparer.Ordinal)
    {
        "model_type", "hidden_act", "position_embedding_type", "vocab_size", "hidden_size", "num_hidden_layers",
        "num_attention_heads", "intermediate_size", "max_position_embeddings", "type_vocab_size", "layer_norm_eps",
        "embedding_size", "tokenizer_class"
    };

    /// <summary>Would make another model of it; harmless while they are false.</summary>
    private static readonly string[] Off =
        ["is_decoder", "is_encoder_decoder", "add_cross_attention", "tie_encoder_decoder"];

    /// <summary>Would make another model of it; harmless while they are empty.</summary>
    private static readonly string[] Empty =
    [
        "pruned_heads", "auto_map", "quantization_config", "compression_config", "cross_attention_hidden_size",
        "adapters", "adapter_fusion", "prefix"
    ];

    /// <summary>
    /// Of training, of heads that are not read, of how a library computes or generates, and of where files came from.
    /// </summary>
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "architectures", "_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "torch_dtype",
        "dtype", "language", "name", "finetuning_task", "task_specific_params",
        "attention_probs_dropout_prob", "hidden_dropout_prob", "classifier_dropout", "initializer_range",
        "initializer_factor", "gradient_checkpointing", "use_cache", "chunk_size_feed_forward", "output_attentions",
        "output_hidden_states", "output_past", "return_dict", "torchscript", "use_bfloat16", "tf_legacy_loss",
        "tie_word_embeddings", "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
        "_attn_implementation_autoset", "_output_attentions", "pad_token_id", "bos_token_id", "eos_token_id",
        "sep_token_id", "cls_token_id", "mask_token_id", "unk_token_id", "decoder_start_token_id", "id2label",
        "label2id", "num_labels", "_num_labels", "problem_type", "directionality", "pooler_fc_size",
        "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type",
        "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups",
        "diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty",
        "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences",
        "output_scores", "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id",
        "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens",
        "eos_token_ids", "xla_device", "use_return_dict", "sentence_transformers", "transformers.js_config",
        "sbert_ce_default_activation_function"
    };

    /// <exception cref="ModelFileException">A field is missing, unknown or has an unsupported value.</exception>
    public static BertConfig Load(string path)
    {
        var fields = JsonFields.Read(path, "BERT configuration");
        Demand(fields, "model_type", [BertFolder.Kind]);
        if (!fields.Has("model_type"))
            ThrowUnlessBert(fields);
        Demand(fields, "hidden_act", ExactGelu);
        Demand(fields, "position_embedding_type", ["absolute"]);
        foreach (var name in Off.Where(name => !fields.IsNull(name) && fields.Kind(name) != JsonValueKind.False))
            throw fields.Refusal(name, "only an encoder runs here, for which it is false");
        foreach (var name in Empty.Where(name => !fields.IsEmpty(name)))
            throw fields.Refusal(name, "it changes the model in a way that does not run here; none is needed");
        fields.ThrowUnlessKnown(
            name => Read.Contains(name) || Harmless.Contains(name) || Off.Contains(name) || Empty.Contains(name));

        var config = new BertConfig
        {
            Vocab = Size(fields, "vocab_size"),
            Hidden = Size(fields, "hidden_size"),
            Layers = Size(fields, "num_hidden_layers"),
            Heads = Size(fields, "num_attention_heads"),
            Inner = Size(fields, "intermediate_size"),
            MaxPositions = Size(fields, "max_position_embeddings", FewestPositions, fallback: 512),
            Types = Size(fields, "type_vocab_size", fallback: 2),
            LayerNormEpsilon = fields.Fraction("layer_norm_eps", fallback: 1e-12f)
        };
        if (config.Hidden % config.Heads != 0)
        {
            throw new ModelFileException(
                $"{path}: hidden_size {config.Hidden} does not divide into {config.Heads} num_attention_heads.");
        }

        if (Size(fields, "embedding_size", fallback: config.Hidden) != config.Hidden)
            throw fields.Refusal("embedding_size", $"hidden_size, {config.Hidden}, is needed");
        return config;
    }

    private static void Demand(JsonFields fields, string name, string[] needed)
    {
        if (fields.Has(name) && (fields.IsNull(name) || !needed.Contains(fields.Text(name))))
            throw fields.Refusal(name, $"only {string.Join(" or ", needed.Select(text => $"'{text}'"))} runs here");
    }

    /// <summary>Where the kind is not said, classes of another one tell that it is no BERT.</summary>
    private static void ThrowUnlessBert(JsonFields fields)
    {
        if (!fields.Texts("architectures").All(name => name.StartsWith("Bert", StringComparison.Ordinal)))
            throw fields.Refusal("architectures", "without a model_type classes of BERT are needed");
    }

    private static int Size(JsonFields fields, string name, int least = 1, int? fallback = null) =>
        fields.Number(name, least, MostOfASize, fallback);
}
