using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace Serving.Models;

/// <summary>What a model is known by: all that an answer depends on, each part as SHA-256 in hexadecimal.</summary>
/// <param name="Weights">Of names, shapes and float32 values.</param>
/// <param name="Config">Of what config.json says of the arithmetic.</param>
/// <param name="Tokenizer">Of tokens by id, and of how texts are split into them.</param>
public sealed record BackboneDigest(string Weights, string Config, string Tokenizer)
{
    /// <summary>SHA-256 over the parts.</summary>
    [JsonIgnore]
    public string Value => Hash($"backbone\n{Weights}\n{Config}\n{Tokenizer}\n");

    /// <summary>SHA-256 of a text in UTF-8, in lower-case hexadecimal.</summary>
    internal static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
