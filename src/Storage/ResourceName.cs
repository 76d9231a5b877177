namespace Serving.Storage;

/// <summary>
/// Names of tasks, aliases and models: they become folders, so they hold nothing that a path could mean.
/// </summary>
public static class ResourceName
{
    public const int MaxLength = 128;
    private const int VersionLength = 64;

    public static bool IsValid(string name) =>
        name.Length is > 0 and <= MaxLength
        && name[0] is not ('.' or '-')
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    /// <summary>Whether it is a SHA-256 in lower-case hexadecimal.</summary>
    public static bool IsVersion(string version) =>
        version.Length == VersionLength && version.All(char.IsAsciiHexDigitLower);

    /// <exception cref="DomainException">It is no name.</exception>
    public static string Require(string field, string name) => IsValid(name)
        ? name
        : throw DomainException.Invalid(
            field,
            $"'{Shorten(name)}' is no name",
            $"1 to {MaxLength} of a-z, A-Z, 0-9, '-', '_' and '.' are needed, not beginning with '.' or '-'");

    /// <exception cref="DomainException">It is no version.</exception>
    public static string RequireVersion(string field, string version) => IsVersion(version)
        ? version
        : throw DomainException.Invalid(
            field,
            $"'{Shorten(version)}' is no version",
            $"{VersionLength} lower-case hexadecimal digits are needed");

    private static string Shorten(string text)
    {
        const int shown = 40;
        var printable = string.Concat(text.Take(shown).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
        return text.Length > shown ? $"{printable}... ({text.Length} characters)" : printable;
    }
}
