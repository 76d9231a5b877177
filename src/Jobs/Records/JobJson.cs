using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Serving.Jobs.Records;

/// <summary>Jobs and events as JSON, in the shape that proto3 gives the protocol's messages Job and JobEvent.</summary>
/// <remarks>Names in camel case, 64-bit integers as text, what has its default left out.</remarks>
public static class JobJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new Int64Converter(), new TimestampConverter(), new JsonStringEnumConverter() },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { LeaveDefaultsOut } }
    };

    public static byte[] ToBytes<T>(T value) => JsonSerializer.SerializeToUtf8Bytes(value, Options);

    /// <exception cref="JsonException">It is something else.</exception>
    public static T Read<T>(ReadOnlySpan<byte> json)
        where T : class =>
        JsonSerializer.Deserialize<T>(json, Options) ?? throw new JsonException("It is null.");

    /// <exception cref="JsonException">It is something else.</exception>
    public static T? Read<T>(JsonElement json)
        where T : class =>
        json.Deserialize<T>(Options);

    private static void LeaveDefaultsOut(JsonTypeInfo type)
    {
        foreach (var property in type.Properties)
        {
            if (Nullable.GetUnderlyingType(property.PropertyType) is null)
                property.ShouldSerialize = static (_, value) => !IsDefault(value);
            else
                property.ShouldSerialize = static (_, value) => value is not null; // An optional zero is a value.
        }
    }

    private static bool IsDefault(object? value) => value switch
    {
        null or "" or 0L or 0d or false => true,
        ICollection collection => collection.Count == 0,
        _ => false
    };

    private sealed class Int64Converter : JsonConverter<long>
    {
        public override long Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String
                && long.TryParse(reader.GetString(), CultureInfo.InvariantCulture, out var number)
                ? number
                : reader.GetInt64();

        public override void Write(Utf8JsonWriter writer, long value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>RFC 3339 in UTC with 0, 3, 6 or 9 digits behind the second.</summary>
    private sealed class TimestampConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            reader.GetDateTimeOffset();

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options)
        {
            var fraction = (value.Ticks % TimeSpan.TicksPerSecond) switch
            {
                0 => "",
                var ticks when ticks % TimeSpan.TicksPerMillisecond == 0 => "'.'fff",
                var ticks when ticks % TimeSpan.TicksPerMicrosecond == 0 => "'.'ffffff",
                _ => "'.'fffffff'00'"
            };
            writer.WriteStringValue(value.UtcDateTime.ToString(
                $"yyyy-MM-dd'T'HH:mm:ss{fraction}'Z'", CultureInfo.InvariantCulture));
        }
    }
}
