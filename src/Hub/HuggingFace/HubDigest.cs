using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Serving.Hub.HuggingFace;

/// <summary>What a file must hash to: SHA-256 of those in LFS, the SHA-1 of git's blob of the others.</summary>
internal sealed record HubDigest
{
    private readonly HashAlgorithmName _algorithm;
    private readonly bool _isBlob;

    private HubDigest(string value, HashAlgorithmName algorithm, bool isBlob) =>
        (Value, _algorithm, _isBlob) = (value, algorithm, isBlob);

    /// <summary>In lower-case hexadecimal.</summary>
    public string Value { get; }

    public static bool IsSha256(string text) => IsHex(text, length: 64);

    public static bool IsGitBlob(string text) => IsHex(text, length: 40);

    public static HubDigest Sha256(string value) => new(value, HashAlgorithmName.SHA256, isBlob: false);

    public static HubDigest GitBlob(string value) => new(value, HashAlgorithmName.SHA1, isBlob: true);

    /// <summary>Begins the hash of a file.</summary>
    /// <param name="bytes">Its size.</param>
    public IncrementalHash Begin(long bytes)
    {
        var hash = IncrementalHash.CreateHash(_algorithm);
        if (_isBlob)
            hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {bytes}\0")));
        return hash;
    }

    private static bool IsHex(string text, int length) =>
        text.Length == length && text.All(char.IsAsciiHexDigitLower);
}
