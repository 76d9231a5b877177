using Serving.Models.Bert;
using Serving.Models.Tokenizers;
using Serving.Storage;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Models.Onnx;

/// <summary>Makes a Hugging Face folder of an ONNX export of BERT.</summary>
/// <remarks>docs/models.md says which exports are read.</remarks>
public static class OnnxImport
{
    /// <summary>Converts a folder with model.onnx and vocab.txt or tokenizer.json.</summary>
    /// <remarks>
    /// Where no file says whether the tokenizer lowercases, it does unless a word of the vocabulary has upper case.
    /// </remarks>
    /// <param name="source">Also with tokenizer_config.json and config.json, if there are any.</param>
    /// <param name="target">The folder to write; it must not be there. If writing fails, what is there of it stays.
    /// </param>
    /// <param name="files">Where to write; null for the disk.</param>
    /// <exception cref="ModelFileException">The graph is no BERT that runs here, or a file is unsound.</exception>
    /// <exception cref="IOException">The target is there, or can't be written.</exception>
    public static void Convert(string source, string target, IFileSystem? files = null)
    {
        using var file = OnnxFile.Open(Path.Combine(source, ModelFiles.Onnx));
        var graph = BertGraph.Find(OnnxGraphReader.Read(file));
        ThrowUnlessAgreed(file, source, graph.Config);
        var tokenizer = TokenizerFiles.Load(source, LooksUncased);
        if (tokenizer.Vocabulary.Count > graph.Config.Vocab)
        {
            throw file.Refusal(
                $"its table of words has {graph.Config.Vocab} rows, and the tokenizer {tokenizer.Vocabulary.Count} "
                + "tokens; the files don't belong together");
        }

        BertFolderWriter.Write(
            target, graph.Config, tokenizer, BertDigest.Parameters(graph.Config), new OnnxParameters(graph),
            files: files);
    }

    /// <summary>Whether a vocabulary has no word with an upper-case letter of ASCII; [CLS] is none.</summary>
    internal static bool LooksUncased(IReadOnlyList<string> tokens) =>
        !tokens.Any(token => !token.StartsWith('[') && token.Any(char.IsAsciiLetterUpper));

    /// <summary>A config.json beside the graph says the same as the graph.</summary>
    private static void ThrowUnlessAgreed(OnnxFile file, string source, BertConfig graph)
    {
        var path = Path.Combine(source, ModelFiles.Config);
        if (!ModelFiles.IsThere(path))
            return;
        var stated = BertConfig.Load(path) with { HasPooler = graph.HasPooler };
        if (stated != graph)
            throw file.Refusal($"it is {graph}, where {path} says {stated}; the files don't belong together");
    }
}
