using System.Text.Json.Nodes;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Models.Tokenizers;
using Serving.Storage;
using Serving.Text.Bert;

namespace Serving.Models.Bert;

/// <summary>Writes a model folder as Hugging Face has it.</summary>
public static class BertFolderWriter
{
    /// <summary>Writes config.json, vocab.txt, tokenizer_config.json and model.safetensors into a new folder.</summary>
    /// <param name="tokenizer">With all of its settings.</param>
    /// <param name="tensors">Names as in <see cref="BertTensors"/>, and shapes; a vector has one row.</param>
    /// <param name="format">How weights are kept in the file.</param>
    /// <param name="files">Where to write; null for the disk.</param>
    /// <exception cref="IOException">The folder is there already, or can't be written.</exception>
    public static void Write(
        string folder,
        BertConfig config,
        BertTokenizer tokenizer,
        IEnumerable<(string Name, int Rows, int Columns)> tensors,
        IParameterSource weights,
        Tensors.WeightFormat format = Tensors.WeightFormat.Float32,
        IFileSystem? files = null)
    {
        var written = new NewModelFolder(folder, files);
        var writer = new SafetensorsWriter();
        writer.Metadata.Add("format", "pt");
        foreach (var (name, rows, columns) in tensors)
            Add(writer, name, rows, columns, weights, format);
        written.Write(ModelFiles.Weights, writer.Write);
        written.Write(ModelFiles.Vocabulary, tokenizer.SaveVocabulary);
        written.Write(
            ModelFiles.TokenizerConfig, TokenizerConfigWriter.Write(tokenizer.Options, config.MaxPositions));
        written.Write(ModelFiles.Config, new JsonObject
        {
            ["architectures"] = new JsonArray("BertModel"),
            ["model_type"] = BertFolder.Kind,
            ["vocab_size"] = config.Vocab,
            ["hidden_size"] = config.Hidden,
            ["num_hidden_layers"] = config.Layers,
            ["num_attention_heads"] = config.Heads,
            ["intermediate_size"] = config.Inner,
            ["hidden_act"] = "gelu",
            ["max_position_embeddings"] = config.MaxPositions,
            ["type_vocab_size"] = config.Types,
            ["layer_norm_eps"] = config.LayerNormEpsilon,
            ["position_embedding_type"] = "absolute"
        });
        written.Flush();
    }

    private static void Add(
        SafetensorsWriter writer, string name, int rows, int columns, IParameterSource weights,
        Tensors.WeightFormat format)
    {
        var values = new float[checked(rows * columns)];
        weights.Read(name, rows, columns, 0, values);
        long[] shape =
            rows == 1 && !name.EndsWith("embeddings.weight", StringComparison.Ordinal) ? [columns] : [rows, columns];
        writer.Add(name, shape, values, format);
    }
}
