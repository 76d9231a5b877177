using System.Globalization;
using System.Text.Json;
using Serving.Models.Json;
using Serving.Text.Bert;

namespace Serving.Models.Tokenizers;

/// <summary>Reads the fields that name special and added tokens.</summary>
internal static class AddedTokenReader
{
    private const string Decoder = "added_tokens_decoder";

    /// <summary>The names of BERT's tokens, which are always these.</summary>
    private static readonly Dictionary<string, string> Named = new(StringComparer.Ordinal)
    {
        ["unk_token"] = BertTokenizer.UnknownToken,
        ["cls_token"] = BertTokenizer.ClassifierToken,
        ["sep_token"] = BertTokenizer.SeparatorToken,
        ["pad_token"] = BertTokenizer.PaddingToken,
        ["mask_token"] = BertTokenizer.MaskToken
    };

    private static readonly string[] Lists = ["additional_special_tokens", "extra_special_tokens"];
    private static readonly string[] Unused = ["bos_token", "eos_token"];

    public static bool Knows(string name) =>
        name == Decoder || Named.ContainsKey(name) || Lists.Contains(name) || Unused.Contains(name);

    /// <summary>Those of tokenizer_config.json.</summary>
    public static void Read(JsonFields fields, AddedTokenList added)
    {
        ReadNamed(fields);
        if (fields.Object(Decoder) is { } decoder)
        {
            foreach (var name in decoder.Names)
            {
                if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                    throw decoder.Refusal(name, "its name must be an id");
                Add(decoder.Object(name) ?? throw decoder.Refusal(name, "an object is needed"), id, added);
            }
        }

        ReadLists(fields, added);
    }

    /// <summary>special_tokens_map.json, if it is there.</summary>
    public static void ReadSpecialTokens(string path, AddedTokenList added)
    {
        if (!ModelFiles.IsThere(path))
            return;
        var fields = JsonFields.Read(path, "map of special tokens");
        fields.ThrowUnlessKnown(name => Knows(name) && name != Decoder);
        ReadNamed(fields);
        ReadLists(fields, added);
    }

    /// <summary>added_tokens.json, if it is there: ids by content.</summary>
    public static void ReadIds(string path, AddedTokenList added)
    {
        if (!ModelFiles.IsThere(path))
            return;
        var fields = JsonFields.Read(path, "list of added tokens");
        foreach (var content in fields.Names)
        {
            var id = fields.Number(content, 0, int.MaxValue);
            if (!AddedTokenList.IsSpecial(content) && !added.Contains(content))
            {
                throw fields.Refusal(
                    content,
                    $"it is not among the special tokens, so it is looked for after texts are normalized, which is not "
                    + $"done here; name it in {Decoder} of {ModelFiles.TokenizerConfig} with normalized false");
            }

            added.Add(content, id, path);
        }
    }

    /// <summary>An added token with its flags, as tokenizer.json and added_tokens_decoder have them.</summary>
    public static void Add(JsonFields token, int? id, AddedTokenList added)
    {
        token.ThrowUnlessKnown(name => name is "content" or "id" or "special" or "normalized" or "lstrip" or "rstrip"
            or "single_word" or "__type");
        var content = token.Text("content") ?? throw token.Refusal("content", "text is needed");
        foreach (var flag in (string[])["special", "lstrip", "rstrip", "single_word", "normalized"])
        {
            // A file that says nothing of normalized means true.
            var isOn = token.Flag(flag) ?? flag == "normalized";
            if (isOn && flag != "special" && !AddedTokenList.IsSpecial(content))
                throw token.Refusal(flag, $"'{content}' is looked for in a text as it is written; false is needed");
        }

        added.Add(content, id, $"{token.Place}.content");
    }

    private static void ReadNamed(JsonFields fields)
    {
        foreach (var (name, needed) in Named)
        {
            var isOptional = needed is BertTokenizer.PaddingToken or BertTokenizer.MaskToken;
            if (!fields.Has(name) || (isOptional && fields.IsNull(name)))
                continue;
            if (Content(fields, name) != needed)
                throw fields.Refusal(name, $"only '{needed}' runs here");
        }

        foreach (var name in Unused.Where(name => !fields.IsNull(name)))
        {
            if (!AddedTokenList.IsSpecial(Content(fields, name)))
                throw fields.Refusal(name, "a special token of BERT is needed, or none");
        }
    }

    /// <summary>A token's name or its object.</summary>
    private static string Content(JsonFields fields, string name) => fields.Kind(name) == JsonValueKind.Object
        ? fields.Object(name)!.Text("content") ?? throw fields.Refusal(name, "its content is needed")
        : fields.Text(name) ?? throw fields.Refusal(name, "text is needed");

    private static void ReadLists(JsonFields fields, AddedTokenList added)
    {
        foreach (var name in Lists.Where(name => !fields.IsEmpty(name)))
        {
            if (fields.Kind(name) == JsonValueKind.Object) // By a name of their own.
            {
                var named = fields.Object(name)!;
                foreach (var key in named.Names)
                    added.Add(Content(named, key), id: null, $"{fields.Path}: {name}");
                continue;
            }

            if (fields.List(name).All(token => token.ValueKind == JsonValueKind.Object))
            {
                foreach (var token in fields.Objects(name))
                    Add(token, id: null, added);
                continue;
            }

            foreach (var content in fields.Texts(name))
                added.Add(content, id: null, $"{fields.Path}: {name}");
        }
    }
}
