using System.Text.Json;
using Serving.Models.Json;
using Serving.Text.Bpe;

namespace Serving.Models.Tokenizers;

/// <summary>How tokenizer.json says where texts are split, and that they are bytes.</summary>
internal static class BpeSplits
{
    private const string PreTokenizer = "pre_tokenizer";
    private const string Sequence = "Sequence";
    private const string Parts = "pretokenizers";
    private const string ByteLevel = "ByteLevel";
    private const string UsesPattern = "use_regex";

    /// <returns>Whether words are split into syllables.</returns>
    /// <exception cref="ModelFileException">Texts are split another way.</exception>
    public static bool Read(JsonFields fields)
    {
        foreach (var name in (string[])["post_processor", "decoder"])
        {
            if (!fields.IsNull(name))
                ReadByteLevel(fields.Object(name)!);
        }

        var part = fields.Object(PreTokenizer) ?? throw fields.Refusal(PreTokenizer, "ByteLevel is needed");
        var hasSyllables = part.Text("type") == Sequence;
        if (hasSyllables)
            part = ReadSyllables(fields, part);
        ReadByteLevel(part);
        if (part.Flag("add_prefix_space") == true)
            throw part.Refusal("add_prefix_space", "texts begin as they are; false is needed");
        if ((part.Flag(UsesPattern) ?? true) == hasSyllables)
        {
            throw part.Refusal(
                UsesPattern,
                $"texts are split as GPT-2 splits them; {(hasSyllables ? "false, behind that," : "true")} is needed");
        }

        return hasSyllables;
    }

    public static void Write(Utf8JsonWriter json, bool hasSyllables)
    {
        if (hasSyllables)
        {
            json.WriteStartObject(PreTokenizer);
            json.WriteString("type", Sequence);
            json.WriteStartArray(Parts);
            foreach (var pattern in (string[])[BpeTokenizer.WordPattern, BpeTokenizer.SyllablePattern])
                WriteSplit(json, pattern);
            WriteByteLevel(json, usesPattern: false);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        else
        {
            json.WritePropertyName(PreTokenizer);
            WriteByteLevel(json, usesPattern: true);
        }

        foreach (var name in (string[])["post_processor", "decoder"])
        {
            json.WritePropertyName(name);
            WriteByteLevel(json, usesPattern: true);
        }
    }

    /// <returns>The last part, over bytes.</returns>
    private static JsonFields ReadSyllables(JsonFields fields, JsonFields sequence)
    {
        sequence.ThrowUnlessKnown(name => name is "type" or Parts);
        var parts = sequence.Objects(Parts);
        return parts.Count == 3 && IsSplit(parts[0], BpeTokenizer.WordPattern)
            && IsSplit(parts[1], BpeTokenizer.SyllablePattern)
            ? parts[2]
            : throw fields.Refusal(
                PreTokenizer, "ByteLevel is needed, or the splits into words and syllables that models here have");
    }

    private static bool IsSplit(JsonFields part, string pattern) => part.Text("type") == "Split"
        && part.Object("pattern")?.Text("Regex") == pattern && part.Text("behavior") == "Isolated"
        && part.Flag("invert") != true;

    private static void ReadByteLevel(JsonFields part)
    {
        if (part.Text("type") != ByteLevel)
            throw part.Refusal("type", "only 'ByteLevel' runs here");
        part.ThrowUnlessKnown(field => field is "type" or "add_prefix_space" or "trim_offsets" or UsesPattern);
    }

    private static void WriteSplit(Utf8JsonWriter json, string pattern)
    {
        json.WriteStartObject();
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", pattern);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", value: false);
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, bool usesPattern)
    {
        json.WriteStartObject();
        json.WriteString("type", ByteLevel);
        json.WriteBoolean("add_prefix_space", value: false);
        json.WriteBoolean("trim_offsets", value: true);
        json.WriteBoolean(UsesPattern, usesPattern);
        json.WriteEndObject();
    }
}
