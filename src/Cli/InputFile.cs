using System.Globalization;
using System.Text.Json;
using Serving.Tables;

namespace Serving.Cli;

/// <summary>Which columns of a file are what: names, or numbers from 1; null takes the usual names.</summary>
internal sealed record InputColumns(string? Text, string? Pair, string? Label, bool HasHeader);

/// <summary>A line of a file.</summary>
/// <param name="Label">What is right; null if the file does not say.</param>
internal sealed record InputRow(string Text, string? Pair, string? Label);

/// <summary>Reads texts from .tsv, .csv and .jsonl files.</summary>
internal static class InputFile
{
    private static readonly string[] UsualTexts = ["text", "sentence", "sentence1"];
    private static readonly string[] UsualPairs = ["pair", "sentence2"];
    private static readonly string[] UsualLabels = ["label"];

    /// <exception cref="CommandException">The file, or a column of it, can't be read.</exception>
    public static IReadOnlyList<InputRow> Read(string path, InputColumns columns)
    {
        var rows = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".tsv" or ".txt" => ReadTable(path, TableFormat.Tsv, columns),
            ".csv" => ReadTable(path, TableFormat.Csv, columns),
            ".jsonl" or ".ndjson" => ReadJsonLines(path, columns),
            var other => throw new CommandException($"{path} ends in '{other}'; .tsv, .csv and .jsonl can be read.")
        };
        return rows.Count > 0 ? rows : throw new CommandException($"{path} has no texts.");
    }

    private static List<InputRow> ReadTable(string path, TableFormat format, InputColumns columns)
    {
        try
        {
            using var stream = File.OpenRead(path);
            using var table = Table.Open(stream, format, columns.HasHeader);
            string[] header = [.. table.Header];
            var text = Find(path, header, columns.Text, UsualTexts) ?? throw Missing(path, "text", header);
            var pair = Find(path, header, columns.Pair, UsualPairs);
            var label = Find(path, header, columns.Label, UsualLabels);
            var rows = new List<InputRow>();
            foreach (var (_, fields) in table.Rows.Where(row => row.Fields is not [""])) // Not an empty line.
            {
                string Field(int column) => column < fields.Count
                    ? fields[column]
                    : throw new CommandException(
                        $"{path}: text number {rows.Count + 1} has {fields.Count} columns; {column + 1} are needed.");
                rows.Add(new(Field(text), pair is { } p ? Field(p) : null, label is { } l ? Field(l) : null));
            }

            return rows;
        }
        catch (TableException exception)
        {
            throw new CommandException($"{path}: {exception.Message}", exception);
        }
    }

    private static int? Find(string path, string[] header, string? wanted, string[] usual)
    {
        if (wanted is null)
        {
            var index = Array.FindIndex(header, name => usual.Contains(name, StringComparer.OrdinalIgnoreCase));
            return index < 0 ? null : index;
        }

        var named = Array.IndexOf(header, wanted);
        if (named >= 0)
            return named;
        return int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? number - 1
            : throw Missing(path, wanted, header);
    }

    private static CommandException Missing(string path, string column, string[] header) => new(
        $"{path} has no column '{column}'; it has {(header.Length == 0 ? "no header" : string.Join(", ", header))}. "
        + "Name columns with --text-column, --pair-column, --label-column.");

    private static List<InputRow> ReadJsonLines(string path, InputColumns columns)
    {
        var rows = new List<InputRow>();
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                using var document = JsonDocument.Parse(line);
                var text = Value(document.RootElement, columns.Text, UsualTexts)
                    ?? throw new CommandException(
                        $"{path}: line {number} has no text; name its field with --text-column.");
                rows.Add(new(
                    text, Value(document.RootElement, columns.Pair, UsualPairs),
                    Value(document.RootElement, columns.Label, UsualLabels)));
            }
            catch (Exception exception) when (exception is JsonException or InvalidOperationException)
            {
                throw new CommandException($"{path}: line {number} is no JSON object: {exception.Message}", exception);
            }
        }

        return rows;
    }

    private static string? Value(JsonElement line, string? wanted, string[] usual)
    {
        foreach (var name in wanted is null ? usual : [wanted])
        {
            if (line.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null)
                return value.ToString();
        }

        return null;
    }
}
