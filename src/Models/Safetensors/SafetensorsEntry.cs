namespace Serving.Models.Safetensors;

/// <summary>A tensor of a safetensors file.</summary>
/// <param name="Type">"F32", "BF16" and so on, see <see cref="SafetensorsTypes"/>.</param>
/// <param name="Shape">Sizes of the dimensions; empty for a scalar.</param>
/// <param name="Begin">First byte, from the end of the header.</param>
/// <param name="End">Behind the last byte.</param>
public sealed record SafetensorsEntry(string Name, string Type, IReadOnlyList<long> Shape, long Begin, long End)
{
    public long ByteCount => End - Begin;

    public override string ToString() => $"'{Name}' {Type} [{string.Join(", ", Shape)}]";
}

/// <summary>The types that the format knows.</summary>
public static class SafetensorsTypes
{
    public const string Float64 = "F64";
    public const string Float32 = "F32";
    public const string Float16 = "F16";
    public const string BFloat16 = "BF16";
    public const string UInt8 = "U8";

    /// <summary>Bytes of an element; 0 for a type that is not known.</summary>
    public static int ElementBytes(string type) => type switch
    {
        "BOOL" or UInt8 or "I8" or "F8_E4M3" or "F8_E5M2" => 1,
        Float16 or BFloat16 or "I16" or "U16" => 2,
        Float32 or "I32" or "U32" => 4,
        Float64 or "I64" or "U64" => 8,
        _ => 0
    };
}
