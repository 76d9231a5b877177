using System.Text.Json.Nodes;
using Serving.Models.Decoders;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Models.Tokenizers;
using Serving.Storage;
using Serving.Tensors;
using Serving.Text.Bpe;
using Serving.Text.Trainers;

namespace Serving.Models.Gpt2;

/// <summary>Writes a model folder as Hugging Face has it.</summary>
public static class Gpt2FolderWriter
{
    /// <summary>
    /// Writes config.json, tokenizer.json, tokenizer_config.json and model.safetensors into a new folder.
    /// </summary>
    /// <param name="weights">Matrices as [outFeatures, inFeatures].</param>
    /// <param name="format">How weights are kept in the file.</param>
    /// <param name="files">Where to write; null for the disk.</param>
    /// <exception cref="IOException">The folder is there already, or can't be written.</exception>
    public static void Write(
        string folder,
        Gpt2Config config,
        BpeTokenizer tokenizer,
        IParameterSource weights,
        WeightFormat format = WeightFormat.Float32,
        IFileSystem? files = null)
    {
        var written = new NewModelFolder(folder, files);
        var writer = new SafetensorsWriter();
        writer.Metadata.Add("format", "pt");
        foreach (var (name, rows, columns) in Gpt2Tensors.Parameters(config))
            Add(writer, name, rows, columns, weights, format);
        written.Write(ModelFiles.Weights, writer.Write);
        written.Write(ModelFiles.Tokenizer, file => BpeFiles.Write(tokenizer, file));
        written.Write(ModelFiles.TokenizerConfig, DecoderFiles.TokenizerConfig(config, BpeTrainer.EndOfText));
        written.Write(ModelFiles.Config, Config(config));
        written.Flush();
    }

    private static JsonObject Config(Gpt2Config config) => new()
    {
        ["architectures"] = new JsonArray("GPT2LMHeadModel"),
        ["model_type"] = Gpt2Folder.Kind,
        ["activation_function"] = config.Activation == Activation.Gelu ? "gelu" : "gelu_new",
        ["vocab_size"] = config.Vocab,
        ["n_positions"] = config.MaxPositions,
        ["n_embd"] = config.Hidden,
        ["n_layer"] = config.Layers,
        ["n_head"] = config.Heads,
        ["n_inner"] = config.Inner,
        ["layer_norm_epsilon"] = config.LayerNormEpsilon,
        ["tie_word_embeddings"] = config.TiesEmbeddings,
        ["bos_token_id"] = config.BeginToken,
        ["eos_token_id"] = config.EndToken
    };

    private static void Add(
        SafetensorsWriter writer, string name, int rows, int columns, IParameterSource weights, WeightFormat format)
    {
        var values = new float[checked(rows * columns)];
        weights.Read(name, rows, columns, 0, values);
        long[] shape = Gpt2Tensors.IsVector(name) ? [columns] : [rows, columns];
        if (Gpt2Tensors.IsTransposed(name))
        {
            values = Transpose(values, rows, columns);
            shape = [columns, rows];
        }

        writer.Add(name == Gpt2Tensors.Head ? name : Gpt2Tensors.Prefix + name, shape, values, format);
    }

    private static float[] Transpose(float[] values, int rows, int columns)
    {
        var transposed = new float[values.Length];
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
                transposed[(column * rows) + row] = values[(row * columns) + column];
        }

        return transposed;
    }
}
