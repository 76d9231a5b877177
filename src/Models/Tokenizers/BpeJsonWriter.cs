using System.Text.Json;
using Serving.Text.Bpe;
using Serving.Text.Trainers;

namespace Serving.Models.Tokenizers;

/// <summary>Writes tokenizer.json, as Hugging Face's tokenizers and <see cref="BpeJson"/> read it.</summary>
internal static class BpeJsonWriter
{
    public static void Write(BpeTokenizer tokenizer, Stream output)
    {
        using var json = new Utf8JsonWriter(output, new() { Indented = true });
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        if (tokenizer.Vocabulary.TryGetId(BpeTrainer.EndOfText, out var end))
            WriteSpecial(json, BpeTrainer.EndOfText, end);
        json.WriteEndArray();
        json.WriteNull("normalizer");
        BpeSplits.Write(json, tokenizer.Segmentation == Segmentation.Syllables);
        WriteModel(json, tokenizer);
        json.WriteEndObject();
        json.Flush();
        output.WriteByte((byte)'\n');
    }

    private static void WriteSpecial(Utf8JsonWriter json, string content, int id)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteString("content", content);
        foreach (var flag in (string[])["single_word", "lstrip", "rstrip", "normalized"])
            json.WriteBoolean(flag, value: false);
        json.WriteBoolean("special", value: true);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, BpeTokenizer tokenizer)
    {
        json.WriteStartObject("model");
        if (tokenizer.Segmentation == Segmentation.LongestTokens)
        {
            json.WriteString("type", BpeJson.WordPiece);
            json.WriteString("unk_token", BpeTrainer.EndOfText); // Never: every byte is a token.
            json.WriteString(BpeJson.Prefix, "");
            json.WriteNumber(BpeJson.LongestWord, BpeJson.NoLongestWord);
        }
        else
        {
            json.WriteString("type", BpeJson.Bpe);
            foreach (var name in (string[])["dropout", "unk_token", BpeJson.Prefix, "end_of_word_suffix"])
                json.WriteNull(name);
            json.WriteBoolean("fuse_unk", value: false);
            json.WriteBoolean("byte_fallback", value: false);
            json.WriteBoolean(BpeJson.WholeWords, tokenizer.Segmentation != Segmentation.Merges);
        }

        json.WriteStartObject("vocab");
        for (var id = 0; id < tokenizer.Vocabulary.Count; id++)
            json.WriteNumber(tokenizer.Vocabulary[id], id);
        json.WriteEndObject();
        if (tokenizer.Segmentation != Segmentation.LongestTokens)
        {
            json.WriteStartArray("merges");
            foreach (var (left, right) in tokenizer.Merges)
                json.WriteStringValue($"{left} {right}");
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }
}
