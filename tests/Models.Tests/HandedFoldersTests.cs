using Serving.Models.Bert;
using Serving.Models.Kinds;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Models.Tests;

/// <summary>Folders as people have them: they load, or are refused with what is wrong.</summary>
public sealed class HandedFoldersTests
{
    private const string Cases = "cases/mk.py";

    private static readonly string[] Loading =
    [
        "c02-sharded", "c03-tokenizer-json-only", "c06-gelu-python", "c12-f64", "c13-gamma-beta-extra",
        "c15-no-model-type", "c25-vocab-bom", "c26-vocab-crlf", "c27-vocab-trailing-space", "c28-type-vocab-1",
        "m01-strip-accents-false", "m03-no-chinese-split", "m04-added-tokens", "m05-never-split-special-in-vocab",
        "m07-vocab-two-blank-lines", "m09-vocab-line-separator", "m11-vocab-shorter-than-table"
    ];

    private static readonly (string Folder, string Message)[] Refused =
    [
        ("c05-gelu-new", "hidden_act is 'gelu_new'"),
        ("c07-relative-key", "position_embedding_type is 'relative_key'"),
        ("c08-roberta", "model_type is 'roberta'"),
        ("c09-decoder", "is_decoder is true; only an encoder runs here"),
        ("c10-nan-weight", "values that are no finite numbers"),
        ("c14-config-nan-literal", "config.json is no"),
        ("c16-null-fields", "hidden_act is null"),
        ("c17-eps-string", "layer_norm_eps is '1e-12'"),
        ("c18-distilbert", "model_type is 'distilbert'"),
        ("c19-heads-not-divide", "hidden_size 32 does not divide into 5 num_attention_heads"),
        ("c20-model-prefix", "has no tensor 'embeddings.word_embeddings.weight'"),
        ("c21-lfs-pointer", "model.safetensors is a pointer of Git LFS"),
        ("c22-truncated", "model.safetensors"),
        ("c23-do-lower-case-null", "do_lower_case is null"),
        ("c24-do-lower-case-string", "do_lower_case is 'false'"),
        ("m06-japanese-mecab", "tokenizer_class is 'BertJapaneseTokenizer'"),
        ("m10-vocab-longer-than-table", "the tokenizer has 76 tokens, and vocab_size in config.json is 74")
    ];

    [SharedFact(Cases)]
    public void Folders_ThatCanBeRead_Load()
    {
        foreach (var name in Loading)
        {
            var (shape, problem) = Load(name);
            Assert.True(problem is null, $"{name}: {problem}");
            Assert.NotNull(shape);
        }
    }

    [SharedFact(Cases)]
    public void Folders_ThatCannotBeRead_SayWhatIsWrong()
    {
        foreach (var (name, message) in Refused)
            Assert.Contains(message, $"{name}: {Load(name)}", StringComparison.Ordinal);
    }

    [SharedTheory(Cases)]
    [InlineData("m01-strip-accents-false", "Möchte schön", "möchte schön")]
    [InlineData("m03-no-chinese-split", "東京 東都", "東京 東 ##都")]
    [InlineData("m04-added-tokens", "good [E1] film [/E1]", "good [E1] film [/E1]")]
    [InlineData("m04-added-tokens", "a[E1]b", "a [E1] b")]
    [InlineData("m05-never-split-special-in-vocab", "[E1]", "[ [UNK] ]")]
    [InlineData("m07-vocab-two-blank-lines", "good film", "good film")]
    [InlineData("c03-tokenizer-json-only", "good film, bad", "good film , bad")]
    [InlineData("c03-tokenizer-json-only", "Good", "[UNK]")]
    public void Tokens_OfFolders_AreThoseOfTheirSettings(string name, string text, string pieces)
    {
        var tokenizer = Folder(name).LoadTokenizer();
        var tokens = tokenizer.Tokenize(text).Select(token => tokenizer.Vocabulary[token.Id]);
        Assert.Equal(pieces, string.Join(' ', tokens));
    }

    private static BertFolder Folder(string name) =>
        Assert.IsType<BertFolder>(ModelKinds.Open(SharedFiles.At("cases/" + name)));

    private static (ModelShape? Shape, string? Problem) Load(string name)
    {
        try
        {
            using var backend = new CpuBackend(1);
            var folder = Folder(name);
            folder.LoadTokenizer();
            using var encoder = folder.LoadEncoder(backend);
            return (folder.ReadShape(), null);
        }
        catch (ModelFileException exception)
        {
            return (null, exception.Message);
        }
    }
}
