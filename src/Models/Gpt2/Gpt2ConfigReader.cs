using System.Text.Json;
using Serving.Models.Json;
using Serving.Tensors;

namespace Serving.Models.Gpt2;

/// <summary>Reads config.json: what changes the arithmetic is done or refused, and so is what is not known.</summary>
internal static class Gpt2ConfigReader
{
    private const int MostOfASize = 1 << 24; // Far above any model; keeps products of two sizes within a long.
    private const int DefaultPositions = 1024;

    private static readonly HashSet<string> Read = new(StringComparer.Ordinal)
    {
        "model_type", "activation_function", "vocab_size", "n_embd", "n_layer", "n_head", "n_inner", "n_positions",
        "n_ctx", "layer_norm_epsilon", "bos_token_id", "eos_token_id", "tie_word_embeddings", "scale_attn_weights"
    };

    /// <summary>Would make another model of it; harmless while they are false.</summary>
    private static readonly string[] Off =
        ["add_cross_attention", "is_encoder_decoder", "scale_attn_by_inverse_layer_idx", "tie_encoder_decoder"];

    /// <summary>Would make another model of it; harmless while they are empty.</summary>
    private static readonly string[] Empty =
        ["pruned_heads", "auto_map", "quantization_config", "compression_config", "adapters", "prefix"];

    /// <summary>
    /// Of training, of heads that are not read, of how a library computes or generates, and of where files came from.
    /// </summary>
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "architectures", "_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "torch_dtype",
        "dtype", "language", "name", "finetuning_task", "task_specific_params", "attn_pdrop", "embd_pdrop",
        "resid_pdrop", "initializer_range", "gradient_checkpointing", "use_cache", "output_attentions",
        "output_hidden_states", "output_past", "return_dict", "torchscript", "attn_implementation",
        "_attn_implementation", "_attn_implementation_internal", "_attn_implementation_autoset",
        "reorder_and_upcast_attn", "summary_activation", "summary_first_dropout", "summary_proj_to_labels",
        "summary_type", "summary_use_proj", "predict_special_tokens", "is_decoder", "chunk_size_feed_forward",
        "pad_token_id", "sep_token_id", "unk_token_id", "decoder_start_token_id",
        "id2label", "label2id", "num_labels", "_num_labels", "problem_type", "max_length", "min_length", "do_sample",
        "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p",
        "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "bad_words_ids",
        "encoder_no_repeat_ngram_size", "num_return_sequences", "output_scores", "return_dict_in_generate",
        "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty",
        "suppress_tokens", "begin_suppress_tokens", "use_bfloat16", "tf_legacy_loss", "tokenizer_class"
    };

    /// <exception cref="ModelFileException">A field is missing, unknown or has an unsupported value.</exception>
    public static Gpt2Config Load(string path)
    {
        var fields = JsonFields.Read(path, "GPT-2 configuration");
        if (fields.IsNull("model_type") || fields.Text("model_type") != Gpt2Folder.Kind)
            throw fields.Refusal("model_type", $"only '{Gpt2Folder.Kind}' runs here");
        foreach (var name in Off.Where(name => !fields.IsNull(name) && fields.Kind(name) != JsonValueKind.False))
            throw fields.Refusal(name, "it makes another model of a GPT-2; false is needed");
        foreach (var name in Empty.Where(name => !fields.IsEmpty(name)))
            throw fields.Refusal(name, "it changes the model in a way that does not run here; none is needed");
        if (fields.Flag("scale_attn_weights") == false)
            throw fields.Refusal("scale_attn_weights", "scores are always divided by the root of their terms");
        fields.ThrowUnlessKnown(
            name => Read.Contains(name) || Harmless.Contains(name) || Off.Contains(name) || Empty.Contains(name));

        var hidden = Size(fields, "n_embd");
        var config = new Gpt2Config
        {
            Vocab = Size(fields, "vocab_size"),
            Hidden = hidden,
            Layers = Size(fields, "n_layer"),
            Heads = Size(fields, "n_head"),
            Inner = fields.IsNull("n_inner") ? 4 * hidden : Size(fields, "n_inner"),
            MaxPositions = Size(fields, "n_positions", fallback: Size(fields, "n_ctx", fallback: DefaultPositions)),
            LayerNormEpsilon = fields.Fraction("layer_norm_epsilon", fallback: 1e-5f),
            Activation = ReadActivation(fields),
            TiesEmbeddings = fields.Flag("tie_word_embeddings") ?? true
        };
        config = config with
        {
            BeginToken = ReadToken(fields, "bos_token_id", config.Vocab),
            EndToken = ReadToken(fields, "eos_token_id", config.Vocab)
        };
        if (hidden % config.Heads != 0)
            throw new ModelFileException($"{path}: n_embd {hidden} does not divide into {config.Heads} n_head.");
        return config;
    }

    private static int? ReadToken(JsonFields fields, string name, int vocab) =>
        fields.IsNull(name) ? null : fields.Number(name, 0, vocab - 1);

    private static Activation ReadActivation(JsonFields fields)
    {
        const string name = "activation_function";
        if (!fields.Has(name))
            return Activation.GeluTanh;
        return (fields.IsNull(name) ? null : fields.Text(name)) switch
        {
            "gelu_new" or "gelu_pytorch_tanh" => Activation.GeluTanh,
            "gelu" => Activation.Gelu,
            _ => throw fields.Refusal(name, "only 'gelu_new', 'gelu_pytorch_tanh' or 'gelu' runs here")
        };
    }

    private static int Size(JsonFields fields, string name, int? fallback = null) =>
        fields.Number(name, least: 1, MostOfASize, fallback);
}
