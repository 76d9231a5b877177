using System.Globalization;
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
    private const string TextOption = "--text-column";
    private const string PairOption = "--pair-column";
    private const string LabelOption = "--label-column";

    private static readonly string[] UsualTexts = ["text", "sentence", "sentence1"];
    private static readonly string[] UsualPairs = ["pair", "sentence2"];
    private static readonly string[] UsualLabels = ["label"];

    /// <exception cref="CommandException">The file, or a column or row of it, can't be read.</exception>
    public static IReadOnlyList<InputRow> Read(string path, InputColumns columns)
    {
        try
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
        catch (TableException exception)
        {
            throw new CommandException($"{path}: {exception.Message}", exception);
        }
    }

    private static List<InputRow> ReadTable(string path, TableFormat format, InputColumns columns)
    {
        using var stream = File.OpenRead(path);
        using var table = Table.Open(stream, format, columns.HasHeader);
        var header = table.Header;
        var text = Place(path, header, columns.Text, UsualTexts, TextOption) ?? throw Missing(path, "text", header);
        var pair = Place(path, header, columns.Pair, UsualPairs, PairOption);
        var label = Place(path, header, columns.Label, UsualLabels, LabelOption);
        var rows = new List<InputRow>();
        List<TableRow> all = [.. table.Rows];
        var most = header.Count > 0 ? header.Count : Table.MostCommonCount(all.Select(row => row.Fields.Count));
        foreach (var row in all)
        {
            var needed = 1 + Math.Max(text, Math.Max(pair ?? 0, label ?? 0));
            var problem = row.Problem
                ?? (row.Fields.Count < needed ? $"has {row.Fields.Count} columns; {needed} are needed"
                : row.Fields.Count > most ? $"has {row.Fields.Count} columns; others have {most}"
                : null);
            if (problem is not null)
                throw new CommandException($"{path}: line {row.Line} {problem}.");
            rows.Add(new(
                row.Fields[text], pair is { } second ? row.Fields[second] : null,
                label is { } right ? row.Fields[right] : null));
        }

        return rows;
    }

    private static int? Place(
        string path, IReadOnlyList<string> header, string? wanted, string[] usual, string option)
    {
        if (Name(path, header, wanted, usual, option) is { } name)
            return header.ToList().IndexOf(name);
        if (wanted is null)
            return null;
        return int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? number - 1
            : throw Missing(path, wanted, header);
    }

    private static List<InputRow> ReadJsonLines(string path, InputColumns columns)
    {
        using var stream = File.OpenRead(path);
        List<(long Number, JsonRow Fields)> lines =
        [
            .. TextLines.Read(stream).Where(line => !string.IsNullOrWhiteSpace(line.Text))
                .Select(line => (line.Number, OfLine(line.Number, () => JsonRow.Parse(line.Text))))
        ];
        List<string> names = [.. lines.SelectMany(line => line.Fields.Names).Distinct(StringComparer.Ordinal)];
        string? Field(string? wanted, string[] usual, string option) =>
            Name(path, names, wanted, usual, option) ?? (wanted is null ? null : throw Missing(path, wanted, names));
        if (lines.Count == 0)
            return [];
        var text = Field(columns.Text, UsualTexts, TextOption) ?? throw Missing(path, "text", names);
        var pair = Field(columns.Pair, UsualPairs, PairOption);
        var label = Field(columns.Label, UsualLabels, LabelOption);
        return lines.ConvertAll(line => OfLine(line.Number, () => new InputRow(
            line.Fields.Text(text) ?? throw new RowException("has no text"),
            pair is null ? null : line.Fields.Text(pair),
            label is null ? null : line.Fields.Label(label))));

        T OfLine<T>(long number, Func<T> read)
        {
            try
            {
                return read();
            }
            catch (RowException exception)
            {
                throw new CommandException($"{path}: line {number} {exception.Message}.", exception);
            }
        }
    }

    /// <summary>The column that is meant: the wanted one, or that with a usual name.</summary>
    /// <returns>Null if there is none.</returns>
    /// <exception cref="CommandException">There are several.</exception>
    private static string? Name(
        string path, IReadOnlyList<string> names, string? wanted, string[] usual, string option)
    {
        List<string> meant = [.. names.Where(name => wanted is null
            ? usual.Contains(name, StringComparer.OrdinalIgnoreCase)
            : name == wanted)];
        return meant.Count <= 1 ? meant.SingleOrDefault() : throw new CommandException(
            meant.Distinct(StringComparer.Ordinal).Count() == 1
                ? $"{path} has {meant.Count} columns '{meant[0]}'; rename all but the one that is meant."
                : $"{path} has the columns {string.Join(", ", meant)}; say which is meant with {option}.");
    }

    private static CommandException Missing(string path, string column, IReadOnlyCollection<string> names) => new(
        $"{path} has no column '{column}'; it has {(names.Count == 0 ? "no header" : ColumnNames.Listed(names))}. "
        + $"Name columns with {TextOption}, {PairOption}, {LabelOption}.");
}
