using System.Text;
using System.Text.Json.Nodes;
using Serving.Text.Bert;

namespace Serving.Models.Tests.Tokenizers;

/// <summary>Whatever changes tokens is done or refused by name.</summary>
public sealed class TokenizerSettingsTests : IDisposable
{
    private readonly SmallFolder _folder = new();

    public TokenizerSettingsTests() => _folder.Edit(ModelFiles.Config, config => config["vocab_size"] = 128);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("{}", true, true, true)]
    [InlineData("{\"do_lower_case\": false}", false, false, true)]
    [InlineData("{\"strip_accents\": false}", true, false, true)]
    [InlineData("{\"do_lower_case\": false, \"strip_accents\": true}", false, true, true)]
    [InlineData("{\"strip_accents\": null, \"tokenize_chinese_chars\": false}", true, true, false)]
    [InlineData("{\"tokenizer_class\": \"BertTokenizerFast\", \"do_basic_tokenize\": true}", true, true, true)]
    [InlineData("{\"never_split\": null, \"cls_token\": {\"content\": \"[CLS]\", \"lstrip\": true}}", true, true, true)]
    [InlineData("{\"model_max_length\": 7, \"padding_side\": \"left\", \"name_or_path\": \"x\"}", true, true, true)]
    public void Settings_OfCaseAccentsAndIdeographs_AreDone(
        string config, bool lowercase, bool stripsAccents, bool splitIdeographs)
    {
        _folder.Write(ModelFiles.TokenizerConfig, config);
        var options = _folder.Model.LoadTokenizer().Options;
        Assert.Equal(
            (lowercase, stripsAccents, splitIdeographs),
            (options.Lowercase, options.StripsAccents, options.SplitIdeographs));
    }

    [Theory]
    [InlineData("{\"do_lower_case\": null}", "do_lower_case is null; true or false is needed.")]
    [InlineData("{\"do_lower_case\": \"false\"}", "do_lower_case is 'false'; true or false is needed.")]
    [InlineData("{\"strip_accents\": 0}", "strip_accents is 0; true or false is needed.")]
    [InlineData("{\"tokenize_chinese_chars\": null}", "tokenize_chinese_chars is null; true or false is needed.")]
    [InlineData("{\"do_basic_tokenize\": false}", "do_basic_tokenize is false")]
    [InlineData("{\"never_split\": [\"a\"]}", "never_split is [\"a\"]")]
    [InlineData("{\"wordpieces_prefix\": \"@@\"}", "wordpieces_prefix is '@@'; only '##' runs here.")]
    [InlineData("{\"tokenizer_class\": \"RobertaTokenizer\"}", "tokenizer_class is 'RobertaTokenizer'; those that run")]
    [InlineData("{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}", "it needs tokenizer.json, which is missing.")]
    [InlineData("{\"tokenizer_class\": 7}", "tokenizer_class is 7; text is needed.")]
    [InlineData("{\"cls_token\": \"<s>\"}", "cls_token is '<s>'; only '[CLS]' runs here.")]
    [InlineData("{\"sep_token\": null}", "sep_token is null")]
    [InlineData("{\"unk_token\": {\"content\": \"?\"}}", "unk_token is {\"content\": \"?\"}; only '[UNK]' runs here.")]
    [InlineData("{\"bos_token\": \"<s>\"}", "bos_token is '<s>'")]
    [InlineData("{\"auto_map\": {\"AutoTokenizer\": [\"x\", null]}}", "auto_map is {")]
    [InlineData("{\"subword_tokenizer_type\": \"character\"}", "subword_tokenizer_type is 'character'")]
    [InlineData("{\"model_input_names\": [\"input_ids\"]}", "model_input_names is [\"input_ids\"]")]
    [InlineData("{\"do_upper_case\": true}", "do_upper_case is true; what it means is not known here")]
    [InlineData("{\"do_lower_case\": true, \"do_lower_case\": false}", "do_lower_case is there twice")]
    [InlineData("{\"additional_special_tokens\": [\"[E1]\"]}", "additional_special_tokens: '[E1]' has no id")]
    [InlineData("{\"additional_special_tokens\": [\"a\\nb\"]}", "has a token that is empty or has a line end")]
    [InlineData("[]", "is no tokenizer configuration: an object is needed.")]
    [InlineData("{", "is no tokenizer configuration")]
    public void Settings_ThatDoNotRunHere_AreRefusedByName(string config, string message)
    {
        _folder.Write(ModelFiles.TokenizerConfig, config);
        Assert.Contains(message, _folder.TokenizerRefusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void TokenizerClass_OfTheModelsConfiguration_IsHeldTo()
    {
        _folder.Edit(ModelFiles.Config, config => config["tokenizer_class"] = "XLMTokenizer");
        Assert.Contains("config.json: tokenizer_class is 'XLMTokenizer'", _folder.TokenizerRefusal());
        _folder.Edit(ModelFiles.Config, config => config["tokenizer_class"] = "BertTokenizer");
        _ = _folder.Model.LoadTokenizer();
    }

    [Theory]
    [InlineData("decoder")]
    [InlineData("list")]
    public void AddedTokens_BehindTheVocabularyOrInIt_AreFoundInTexts(string form)
    {
        if (form == "decoder")
        {
            _folder.Edit(ModelFiles.TokenizerConfig, config => config["added_tokens_decoder"] = new JsonObject
            {
                ["2"] = Token("[CLS]"),
                ["96"] = Token("<who>"),
                ["98"] = Token("<what>")
            });
        }
        else
        {
            _folder.Write(ModelFiles.Vocabulary, string.Join('\n', _folder.Lines.Append("<who>")) + "\n");
            _folder.Write(ModelFiles.SpecialTokens, "{\"additional_special_tokens\": [\"<who>\", \"<what>\"]}");
            _folder.Write(ModelFiles.AddedTokens, "{\"<what>\": 98}");
        }

        var tokenizer = _folder.Model.LoadTokenizer();

        Assert.Equal([43, 96, 43, 98], tokenizer.Tokenize("A<who>a <what>").Select(token => token.Id));
        Assert.Equal(99, tokenizer.Vocabulary.Count);
        Assert.Equal("", tokenizer.Vocabulary[97]);
    }

    [Theory]
    [InlineData("normalized", true, "normalized is true; 'x' is looked for in a text as it is written")]
    [InlineData("normalized", null, "normalized is missing")]
    [InlineData("lstrip", true, "lstrip is true")]
    [InlineData("rstrip", true, "rstrip is true")]
    [InlineData("single_word", true, "single_word is true")]
    [InlineData("special", "yes", "special is 'yes'; true or false is needed")]
    [InlineData("content", 7, "content is 7; text is needed")]
    [InlineData("weight", 7, "weight is 7; what it means is not known here")]
    public void AddedTokens_ThatAreFoundInAnotherWay_AreRefusedByName(string field, object? value, string message)
    {
        var token = Token("x");
        token.Remove(field);
        if (value is not null)
            token[field] = JsonValue.Create(value);
        _folder.Edit(
            ModelFiles.TokenizerConfig, config => config["added_tokens_decoder"] = new JsonObject { ["96"] = token });
        Assert.Contains(message, _folder.TokenizerRefusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("5", "has the id 5, where the vocabulary has '!'")] // Another token's.
    [InlineData("99999999", "has the id 99999999, where the vocabulary has none")]
    [InlineData("-1", "its name must be an id")]
    public void AddedTokens_AtIdsThatCannotBe_AreRefused(string id, string message)
    {
        var decoder = new JsonObject { [id] = Token("x!") };
        _folder.Edit(ModelFiles.TokenizerConfig, config => config["added_tokens_decoder"] = decoder);
        Assert.Contains(message, _folder.TokenizerRefusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void AddedTokens_ThatTextsAreSearchedForOnceNormalized_AreRefused()
    {
        _folder.Write(ModelFiles.AddedTokens, "{\"covid\": 96}");
        Assert.Contains("added_tokens.json: covid is 96; it is not among the special", _folder.TokenizerRefusal());
    }

    [Fact]
    public void Vocabulary_WithEmptyLinesAndAWordTwice_KeepsTheNumbersOfLines()
    {
        _folder.Write(ModelFiles.Vocabulary, string.Join('\n', _folder.Lines) + "\n\n\na\n");
        var tokenizer = _folder.Model.LoadTokenizer();
        Assert.Equal(99, tokenizer.Vocabulary.Count);
        Assert.Equal(98, tokenizer.Tokenize("a").Single().Id);
    }

    [Theory]
    [InlineData("\n", "")]
    [InlineData("\n", "\n\n\n")]
    [InlineData("\r\n", "\r\n")]
    [InlineData("\r", "")]
    [InlineData("\r", "\r")]
    public void Vocabulary_WithOtherLineEndsOrEmptyLinesAtItsEnd_IsTheSame(string end, string rest)
    {
        _folder.Edit(ModelFiles.Config, config => config["vocab_size"] = 96);
        _folder.Write(ModelFiles.Vocabulary, string.Concat(_folder.Lines.ToList().Select(line => line + end)) + rest);
        var tokenizer = _folder.Model.LoadTokenizer();
        Assert.Equal(File.ReadLines(Golden.At("bert/vocab.txt")), tokenizer.Vocabulary.Tokens);
    }

    [Theory]
    [InlineData("vocab.txt")]
    [InlineData("tokenizer_config.json")]
    [InlineData("config.json")]
    [InlineData("tokenizer.json")]
    public void TextFile_ThatIsAPointerOfGitLfs_IsNamedForWhatItIs(string name)
    {
        _folder.Write(name, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 231508\n");
        var message = _folder.TokenizerRefusal();
        Assert.Contains($"{name} is a pointer of Git LFS", message);
        Assert.Contains("'git lfs pull'", message);
    }

    [Fact]
    public void Vocabulary_InAnotherEncoding_IsRefused()
    {
        File.WriteAllBytes(_folder.At(ModelFiles.Vocabulary), Encoding.Latin1.GetBytes("[UNK]\n[CLS]\n[SEP]\ncafé\n"));
        Assert.Contains("vocab.txt is no UTF-8: byte 21 begins no character", _folder.TokenizerRefusal());
    }

    [Fact]
    public void Vocabulary_ThatIsMissing_SaysWhatAModelIs()
    {
        File.Delete(_folder.At(ModelFiles.Vocabulary));
        Assert.Contains("a folder with config.json, vocab.txt and model.safetensors.", _folder.TokenizerRefusal());
    }

    private static JsonObject Token(string content) => new()
    {
        ["content"] = content,
        ["special"] = true,
        ["normalized"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["single_word"] = false
    };
}
