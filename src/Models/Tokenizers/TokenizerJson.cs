using System.Text.Json;
using Serving.Models.Json;
using Serving.Text.Bert;

namespace Serving.Models.Tokenizers;

/// <summary>Reads tokenizer.json: WordPiece with BERT's normalizer, pre-tokenizer and special tokens.</summary>
/// <remarks>The format of Hugging Face's tokenizers. Other parts than BERT's are refused by name.</remarks>
internal static class TokenizerJson
{
    private const int MostTokens = 1 << 22;
    private const string Template = "[CLS]:0 A:0 [SEP]:0";
    private const string PairTemplate = "[CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1";

    /// <returns>Tokens by id, without those that are added, and what the file says of the rest.</returns>
    /// <exception cref="ModelFileException">It can't be read, or has other parts than BERT's.</exception>
    public static (List<string> Vocabulary, TokenizerSettings Settings) Read(string path)
    {
        var fields = JsonFields.Read(path, "tokenizer");
        fields.ThrowUnlessKnown(name => name is "version" or "truncation" or "padding" or "added_tokens" or "normalizer"
            or "pre_tokenizer" or "post_processor" or "decoder" or "model");
        // How texts are cut and filled up is what requests say; the decoder is for generated text.
        foreach (var name in (string[])["truncation", "padding", "decoder"])
            _ = fields.Object(name);
        if (fields.Has("version") && fields.Text("version") != "1.0")
            throw fields.Refusal("version", "only '1.0' runs here");
        var model = Part(fields, "model", "WordPiece");
        var vocabulary = Vocabulary(model);
        ReadProcessor(fields, vocabulary);
        Part(fields, "pre_tokenizer", "BertPreTokenizer").ThrowUnlessKnown(name => name is "type");
        var normalizer = Part(fields, "normalizer", "BertNormalizer");
        normalizer.ThrowUnlessKnown(name => name is "type" or "clean_text" or "handle_chinese_chars" or "strip_accents"
            or "lowercase");
        if (normalizer.Flag("clean_text") != true)
            throw normalizer.Refusal("clean_text", "texts are always cleaned of control characters; true is needed");

        var added = new AddedTokenList();
        foreach (var token in fields.Objects("added_tokens"))
            AddedTokenReader.Add(token, token.Number("id", 0, MostTokens), added);
        return (vocabulary, new(
            path,
            Needed(normalizer, "lowercase"),
            normalizer.IsNull("strip_accents") ? null : normalizer.Flag("strip_accents"),
            Needed(normalizer, "handle_chinese_chars"),
            model.Number("max_input_chars_per_word", 1, int.MaxValue, fallback: 100),
            added));
    }

    private static bool Needed(JsonFields fields, string name) =>
        fields.Flag(name) ?? throw fields.Refusal(name, "true or false is needed");

    /// <summary>A part of the tokenizer, which must be of BERT's type.</summary>
    private static JsonFields Part(JsonFields fields, string name, string type)
    {
        var part = fields.Object(name) ?? throw fields.Refusal(name, $"{type} is needed");
        if (!part.Has("type") && part.Has("continuing_subword_prefix") && part.Has("max_input_chars_per_word"))
            return part; // As the first releases of tokenizers wrote a WordPiece.
        return part.Text("type") == type ? part : throw part.Refusal("type", $"only '{type}' runs here");
    }

    /// <summary>Tokens by id; ids that are left out are empty tokens.</summary>
    private static List<string> Vocabulary(JsonFields model)
    {
        model.ThrowUnlessKnown(name => name is "type" or "unk_token" or "continuing_subword_prefix"
            or "max_input_chars_per_word" or "vocab");
        if (model.Text("unk_token") != BertTokenizer.UnknownToken)
            throw model.Refusal("unk_token", $"only '{BertTokenizer.UnknownToken}' runs here");
        if (model.Has("continuing_subword_prefix") && model.Text("continuing_subword_prefix") != "##")
            throw model.Refusal("continuing_subword_prefix", "only '##' runs here");
        var vocab = model.Object("vocab") ?? throw model.Refusal("vocab", "tokens with their ids are needed");
        var tokens = new List<string?>();
        foreach (var token in vocab.Names)
        {
            var id = vocab.Number(token, 0, MostTokens);
            while (tokens.Count <= id)
                tokens.Add(null);
            if (tokens[id] is { } other)
                throw vocab.Refusal(token, $"'{other}' has that id, too; each is needed once");
            if (token.AsSpan().ContainsAny('\r', '\n'))
                throw vocab.Refusal(token, $"a line end can't be kept in {ModelFiles.Vocabulary}; none is needed");
            tokens[id] = token;
        }

        return [.. tokens.Select(token => token ?? "")];
    }

    /// <summary>What puts [CLS] and [SEP] around texts.</summary>
    private static void ReadProcessor(JsonFields fields, List<string> vocabulary)
    {
        const string needed = "BertProcessing, or TemplateProcessing with [CLS] A [SEP] and [CLS] A [SEP] B [SEP]";
        const string name = "post_processor";
        var processor = fields.Object(name) ?? throw fields.Refusal(name, $"{needed} is needed");
        if (processor.Text("type") == "BertProcessing")
        {
            processor.ThrowUnlessKnown(field => field is "type" or "sep" or "cls");
            ReadPair(processor, "sep", BertTokenizer.SeparatorToken, vocabulary);
            ReadPair(processor, "cls", BertTokenizer.ClassifierToken, vocabulary);
            return;
        }

        if (processor.Text("type") != "TemplateProcessing")
            throw processor.Refusal("type", $"{needed} is needed");
        processor.ThrowUnlessKnown(field => field is "type" or "single" or "pair" or "special_tokens");
        if (Shown(processor, "single") != Template)
            throw processor.Refusal("single", $"{needed} is needed");
        if (Shown(processor, "pair") != PairTemplate)
            throw processor.Refusal("pair", $"{needed} is needed");
        var special = processor.Object("special_tokens") ?? throw processor.Refusal("special_tokens", "ids are needed");
        foreach (var token in (string[])[BertTokenizer.ClassifierToken, BertTokenizer.SeparatorToken])
        {
            var ids = special.Object(token)?.List("ids") ?? throw special.Refusal(token, "its ids are needed");
            if (ids.Count != 1 || !IsAt(ids[0], token, vocabulary))
                throw special.Refusal(token, "its id in the vocabulary is needed");
        }
    }

    private static void ReadPair(JsonFields processor, string name, string token, List<string> vocabulary)
    {
        var pair = processor.List(name);
        if (pair.Count != 2 || pair[0].ValueKind != JsonValueKind.String || pair[0].GetString() != token
            || !IsAt(pair[1], token, vocabulary))
            throw processor.Refusal(name, $"'{token}' with its id in the vocabulary is needed");
    }

    private static bool IsAt(JsonElement id, string token, List<string> vocabulary) =>
        id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out var at) && at >= 0 && at < vocabulary.Count
        && vocabulary[at] == token;

    /// <summary>A template, such as "[CLS]:0 A:0": names with types.</summary>
    private static string Shown(JsonFields processor, string name) =>
        string.Join(' ', processor.Objects(name).Select(piece =>
        {
            var part = piece.Object("SpecialToken") ?? piece.Object("Sequence")
                ?? throw processor.Refusal(name, "special tokens and sequences are needed");
            return $"{part.Text("id")}:{part.Number("type_id", 0, int.MaxValue)}";
        }));
}
