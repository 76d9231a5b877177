using System.Text.Json.Nodes;
using Serving.Text.Bert;

namespace Serving.Models.Tests.Tokenizers;

/// <summary>tokenizer.json: BERT's parts are read, others refused by name.</summary>
public sealed class TokenizerJsonTests : IDisposable
{
    private readonly SmallFolder _folder = new();

    public TokenizerJsonTests() => _folder.Edit(ModelFiles.Config, config => config["vocab_size"] = 128);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TokenizerJson_Alone_GivesTheTokensOfVocabTxt(bool isTemplate)
    {
        const string text = "What a plain, ab-so-lute day!";
        var expected = _folder.Model.LoadTokenizer().Encode(text, "yes").Tokens;
        var contents = _folder.TokenizerJson();
        if (isTemplate)
            contents["post_processor"] = Template();
        _folder.Write(ModelFiles.Tokenizer, contents.ToJsonString());
        File.Delete(_folder.At(ModelFiles.Vocabulary));

        Assert.Equal(expected, _folder.Model.LoadTokenizer().Encode(text, "yes").Tokens);
    }

    [Fact]
    public void TokenizerJson_SaysWhatSettingsDoNot()
    {
        Write(contents =>
        {
            contents["normalizer"]!["lowercase"] = false;
            contents["normalizer"]!["handle_chinese_chars"] = false;
            contents["normalizer"]!["strip_accents"] = true;
            contents["model"]!["max_input_chars_per_word"] = 7;
            contents["added_tokens"]!.AsArray().Add(new JsonObject
            {
                ["id"] = 96,
                ["content"] = "<x>",
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = false
            });
        });
        var options = _folder.Model.LoadTokenizer().Options;
        Assert.Equal([new("<x>", 96, IsPiece: false)], options.AddedTokens);
        Assert.Equal(
            (false, true, false, 7),
            (options.Lowercase, options.StripAccents, options.SplitIdeographs, options.MaxWordCharacters));
    }

    [Theory]
    [InlineData("normalizer", null, "normalizer is null; BertNormalizer is needed")]
    [InlineData("normalizer", "{\"type\": \"NFC\"}", "normalizer.type is 'NFC'; only 'BertNormalizer' runs here")]
    [InlineData("normalizer", "{\"type\": \"Sequence\", \"normalizers\": []}", "normalizer.type is 'Sequence'")]
    [InlineData("normalizer.clean_text", "false", "normalizer.clean_text is false")]
    [InlineData("normalizer.lowercase", "null", "normalizer.lowercase is null; true or false is needed")]
    [InlineData("normalizer.form", "1", "normalizer.form is 1; what it means is not known here")]
    [InlineData("pre_tokenizer", "{\"type\": \"Whitespace\"}", "pre_tokenizer.type is 'Whitespace'")]
    [InlineData("post_processor", "null", "post_processor is null; BertProcessing")]
    [InlineData("post_processor", "{\"type\": \"RobertaProcessing\"}", "post_processor.type is 'RobertaProcessing'")]
    [InlineData("post_processor.cls", "[\"[SEP]\", 3]", "post_processor.cls is [")]
    [InlineData("post_processor.sep", "[\"[SEP]\", 2]", "post_processor.sep is [")]
    [InlineData("model.type", "\"BPE\"", "model.type is 'BPE'; only 'WordPiece' runs here")]
    [InlineData("model.unk_token", "\"<unk>\"", "model.unk_token is '<unk>'; only '[UNK]' runs here")]
    [InlineData("model.continuing_subword_prefix", "\"\"", "model.continuing_subword_prefix is ''")]
    [InlineData("model.max_input_chars_per_word", "0", "model.max_input_chars_per_word is 0; a whole number, 1 to")]
    [InlineData("model.vocab.a", "-1", "model.vocab.a is -1; a whole number, 0 to")]
    [InlineData("model.vocab.a", "5", "model.vocab.a is 5; '!' has that id, too")]
    [InlineData("model.vocab", "{}", "'[SEP]' with its id in the vocabulary is needed")]
    [InlineData("added_tokens", "{}", "added_tokens is {}; a list is needed")]
    [InlineData("truncation", "7", "truncation is 7; an object is needed")]
    [InlineData("mystery", "7", "mystery is 7; what it means is not known here")]
    public void Parts_OtherThanBerts_AreRefusedByName(string path, string? value, string message)
    {
        Write(contents =>
        {
            var names = path.Split('.');
            var parent = names[..^1].Aggregate<string, JsonNode>(contents, (node, name) => node[name]!);
            parent[names[^1]] = value is null ? null : JsonNode.Parse(value);
        });
        File.Delete(_folder.At(ModelFiles.Vocabulary));
        Assert.Contains(message, _folder.TokenizerRefusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("continuing_subword_prefix", "model.type is missing")]
    [InlineData("max_input_chars_per_word", "model.type is missing")]
    public void Model_WithoutItsType_IsAWordPieceIfItHasAllOfOne(string? removed, string? message)
    {
        Write(contents =>
        {
            contents["model"]!.AsObject().Remove("type");
            if (removed is not null)
                contents["model"]!.AsObject().Remove(removed);
        });
        if (message is null)
            Assert.Equal(96, _folder.Model.LoadTokenizer().Vocabulary.Count);
        else
            Assert.Contains(message, _folder.TokenizerRefusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("single", 0, "post_processor.single is [")]
    [InlineData("pair", 3, "post_processor.pair is [")]
    public void Templates_OtherThanBerts_AreRefusedByName(string name, int removed, string message)
    {
        Write(contents =>
        {
            var template = Template();
            template[name]!.AsArray().RemoveAt(removed);
            contents["post_processor"] = template;
        });
        Assert.Contains(message, _folder.TokenizerRefusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"do_lower_case\": false}", "do_lower_case is false, where ")]
    [InlineData("{\"strip_accents\": false}", "strip_accents is false, where ")]
    [InlineData("{\"tokenize_chinese_chars\": false}", "tokenize_chinese_chars is false, where ")]
    public void TokenizerJson_ThatContradictsSettings_IsRefused(string config, string message)
    {
        Write(_ => { });
        _folder.Write(ModelFiles.TokenizerConfig, config);
        Assert.Contains(message, _folder.TokenizerRefusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void TokenizerJson_WithAnotherVocabulary_IsRefused()
    {
        Write(contents => contents["model"]!["vocab"]!.AsObject().Remove("##w"));
        Assert.Contains("vocab.txt has '##w' at the id 95, where ", _folder.TokenizerRefusal());
    }

    private static JsonObject Template() => JsonNode.Parse(
        """
        {
          "type": "TemplateProcessing",
          "single": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}}
          ],
          "pair": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 1}}
          ],
          "special_tokens": {
            "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
            "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}
          }
        }
        """)!.AsObject();

    private void Write(Action<JsonObject> edit)
    {
        var contents = _folder.TokenizerJson();
        edit(contents);
        _folder.Write(ModelFiles.Tokenizer, contents.ToJsonString());
    }
}
