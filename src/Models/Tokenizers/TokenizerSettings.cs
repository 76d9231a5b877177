using Serving.Models.Json;
using Serving.Text.Bert;

namespace Serving.Models.Tokenizers;

/// <summary>What a folder's settings say of its tokenizer; null is what none of them says.</summary>
/// <param name="File">Where case, accents and ideographs are said; for messages.</param>
/// <param name="MaxWordCharacters">A longer word is unknown.</param>
/// <param name="Added">Tokens that are found as they are written.</param>
internal sealed record TokenizerSettings(
    string File, bool? Lowercase, bool? StripAccents, bool? SplitIdeographs, int? MaxWordCharacters,
    AddedTokenList Added)
{
    /// <summary>Whether accents go, where that is said.</summary>
    public bool? StripsAccents => StripAccents ?? Lowercase;

    /// <summary>Of tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json.</summary>
    /// <exception cref="ModelFileException">A setting is unknown, or one that does not run here.</exception>
    public static TokenizerSettings Read(string folder)
    {
        var added = new AddedTokenList();
        var path = Path.Combine(folder, ModelFiles.TokenizerConfig);
        var config = TokenizerConfigReader.TryRead(path, added);
        AddedTokenReader.ReadSpecialTokens(Path.Combine(folder, ModelFiles.SpecialTokens), added);
        AddedTokenReader.ReadIds(Path.Combine(folder, ModelFiles.AddedTokens), added);
        return new(
            path,
            config?.Flag(TokenizerConfigReader.Lowercase),
            config is null || config.IsNull(TokenizerConfigReader.StripAccents)
                ? null
                : config.Flag(TokenizerConfigReader.StripAccents),
            config?.Flag(TokenizerConfigReader.SplitIdeographs),
            config?.Has(TokenizerConfigReader.MaxWordCharacters) == true
                ? config.Number(TokenizerConfigReader.MaxWordCharacters, 1, int.MaxValue)
                : null,
            added);
    }

    /// <summary>What these and those of a tokenizer.json say.</summary>
    /// <exception cref="ModelFileException">They contradict each other.</exception>
    public TokenizerSettings With(TokenizerSettings other)
    {
        var normalizer = $"{other.File}: normalizer";
        Agree(TokenizerConfigReader.Lowercase, Lowercase, $"{normalizer}.lowercase", other.Lowercase);
        Agree(TokenizerConfigReader.StripAccents, StripsAccents, $"{normalizer}.strip_accents", other.StripsAccents);
        Agree(
            TokenizerConfigReader.SplitIdeographs, SplitIdeographs, $"{normalizer}.handle_chinese_chars",
            other.SplitIdeographs);
        Agree(
            TokenizerConfigReader.MaxWordCharacters, MaxWordCharacters,
            $"{other.File}: model.max_input_chars_per_word", other.MaxWordCharacters);
        other.Added.CopyTo(Added);
        return new(
            other.File, Lowercase ?? other.Lowercase, StripAccents ?? other.StripAccents,
            SplitIdeographs ?? other.SplitIdeographs, MaxWordCharacters ?? other.MaxWordCharacters, Added);
    }

    /// <summary>What is done where nothing else is said: as an uncased model's.</summary>
    public BertTokenizerOptions ToOptions(IReadOnlyList<AddedToken> added)
    {
        var defaults = new BertTokenizerOptions();
        return new()
        {
            Lowercase = Lowercase ?? defaults.Lowercase,
            StripAccents = StripAccents,
            SplitIdeographs = SplitIdeographs ?? defaults.SplitIdeographs,
            MaxWordCharacters = MaxWordCharacters ?? defaults.MaxWordCharacters,
            AddedTokens = added
        };
    }

    private void Agree<T>(string name, T? ours, string theirName, T? theirs)
        where T : struct, IEquatable<T>
    {
        if (ours is not { } one || theirs is not { } other || one.Equals(other))
            return;
        throw new ModelFileException(
            $"{File}: {name} is {Shown(one)}, where {theirName} is {Shown(other)}; make them agree, or remove the one "
            + "that is wrong.");
    }

    private static string Shown<T>(T value) => value is true ? "true" : value is false ? "false" : $"{value}";
}
