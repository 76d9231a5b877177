namespace Serving.Models.Onnx;

/// <summary>The numbers of element types, TensorProto.DataType of onnx.proto.</summary>
internal static class OnnxTypes
{
    public const int Float32 = 1;
    public const int Int32 = 6;
    public const int Int64 = 7;
    public const int Float16 = 10;
    public const int Float64 = 11;
    public const int BFloat16 = 16;

    public static bool IsFloat(long type) => type is Float32 or Float16 or Float64 or BFloat16;

    public static bool IsInteger(long type) => type is Int32 or Int64;

    /// <returns>0 for a type that is not read.</returns>
    public static int ElementBytes(int type) => type switch
    {
        Float64 or Int64 => 8,
        Float32 or Int32 => 4,
        Float16 or BFloat16 => 2,
        _ => 0
    };

    public static string Name(int type) => type switch
    {
        Float32 => "float32",
        Int32 => "int32",
        Int64 => "int64",
        Float16 => "float16",
        Float64 => "float64",
        BFloat16 => "bfloat16",
        2 or 3 => "8-bit integers",
        9 => "bool",
        21 or 22 => "4-bit integers",
        _ => $"the type {type}"
    };
}
