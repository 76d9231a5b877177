using System.Globalization;
using System.Text;
using Serving.Text.Bert;

namespace Serving.Models.Bert;

/// <summary>The parts of a BERT's digest. They depend on what files say, not on how they say it.</summary>
public static class BertBackbone
{
    /// <param name="weights">The digest of its parameters; see <see cref="BertEncoder.Digest"/>.</param>
    public static BackboneDigest Digest(string weights, BertConfig config, BertTokenizer tokenizer) =>
        new(weights, BackboneDigest.Hash(Describe(config)), BackboneDigest.Hash(Describe(tokenizer)));

    private static string Describe(BertConfig config) => string.Create(
        CultureInfo.InvariantCulture,
        $"bert gelu absolute {config.Vocab} {config.Hidden} {config.Layers} {config.Heads} {config.Inner} "
        + $"{config.MaxPositions} {config.Types} {BitConverter.SingleToUInt32Bits(config.LayerNormEpsilon):X8}\n");

    private static string Describe(BertTokenizer tokenizer)
    {
        var options = tokenizer.Options;
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"lowercase {options.Lowercase} accents {options.StripsAccents} ");
        text.Append(CultureInfo.InvariantCulture, $"ideographs {options.SplitIdeographs} ");
        text.Append(CultureInfo.InvariantCulture, $"longest {options.MaxWordCharacters}\n");
        foreach (var added in options.AddedTokens.OrderBy(token => token.Id))
            text.Append(CultureInfo.InvariantCulture, $"added {added.Id} {added.IsPiece} {added.Content}\n");
        foreach (var token in tokenizer.Vocabulary.Tokens)
            text.Append(token).Append('\n');
        return text.ToString();
    }
}
