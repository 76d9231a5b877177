using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Serving.Storage;
using Serving.Tables;

namespace Serving.Training.Data;

/// <summary>The dataset.json of a dataset.</summary>
public sealed record DatasetManifest
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) }
    };

    public required string Name { get; init; }

    /// <summary>SHA-256 of the rows.</summary>
    public required string Digest { get; init; }

    public required DatasetFormat Format { get; init; }

    public required DatasetColumns Columns { get; init; }

    /// <summary>Rows that can be used.</summary>
    public required long Rows { get; init; }

    /// <summary>Rows that were left out.</summary>
    public required long Rejected { get; init; }

    /// <summary>The first of the rows that were left out.</summary>
    public required IReadOnlyList<DatasetProblem> Problems { get; init; }

    /// <summary>
    /// Rows of each label, in the labels' order; empty without labels or with more than <see
    /// cref="DatasetFolder.MostLabels"/>.
    /// </summary>
    public required IReadOnlyList<LabelCount> Labels { get; init; }

    /// <summary>Whether every label is a number, so that it can be a target of regression.</summary>
    public bool HasNumbers { get; init; }

    /// <summary>Bytes of the rows on disk.</summary>
    public required long Bytes { get; init; }

    public static DatasetManifest Parse(string json) => JsonSerializer.Deserialize<DatasetManifest>(json, Json)!;

    public string ToJson() => JsonSerializer.Serialize(this, Json) + "\n";
}

/// <summary>A label and its rows.</summary>
public sealed record LabelCount(string Label, long Rows);

/// <summary>A dataset on disk: dataset.json and rows.jsonl, a row a line.</summary>
public static class DatasetFolder
{
    public const string ManifestFile = "dataset.json";
    public const string RowsFile = "rows.jsonl";

    /// <summary>The most labels that are counted; with more they are not classes.</summary>
    public const int MostLabels = 1000;

    private const int ProblemsKept = 20;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        // Text stays readable; the file never becomes part of HTML.
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping
    };

    /// <summary>Reads a file and writes it as a dataset's rows; the manifest is the caller's to write.</summary>
    /// <param name="folder">Gets rows.jsonl.</param>
    /// <param name="mostProblems">Rows that may be left out.</param>
    /// <param name="mostBytes">The largest size of the file, unzipped.</param>
    /// <exception cref="DatasetException">The file or too many of its rows can't be used.</exception>
    public static DatasetManifest Import(
        string file,
        string folder,
        string name,
        DatasetFormat format,
        DatasetColumns columns,
        long mostProblems,
        long mostBytes,
        CancellationToken cancellationToken)
    {
        var problems = new List<DatasetProblem>();
        var rejected = 0L;
        var rows = 0L;
        var labels = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var hasNumbers = columns.Label is not null;
        var path = Path.Combine(folder, RowsFile);
        DiskFileSystem.Instance.WriteNew(path, stream =>
        {
            foreach (var row in DatasetReader.Read(file, format, columns, Reject, mostBytes))
            {
                cancellationToken.ThrowIfCancellationRequested();
                JsonSerializer.Serialize(stream, row, Json);
                stream.WriteByte((byte)'\n');
                rows++;
                if (row.Label is not { } label)
                    continue;
                hasNumbers &= LabelNumber.TryParse(label, out _);
                if (labels.Count <= MostLabels)
                    labels[label] = labels.GetValueOrDefault(label) + 1;
            }
        });

        if (rows == 0)
            throw new DatasetException($"The file has no row that can be used.{Listed(problems)}");
        return new()
        {
            Name = name,
            Digest = Digest(path),
            Format = format,
            Columns = columns,
            Rows = rows,
            Rejected = rejected,
            Problems = problems,
            Labels = labels.Count > MostLabels
                ? []
                : [.. labels.Select(label => new LabelCount(label.Key, label.Value))],
            HasNumbers = hasNumbers,
            Bytes = new FileInfo(path).Length
        };

        void Reject(DatasetProblem problem)
        {
            rejected++;
            if (problems.Count < ProblemsKept)
                problems.Add(problem);
            if (rejected > mostProblems)
            {
                throw new DatasetException(
                    $"More than {mostProblems} rows can't be used.{Listed(problems)} Mend the file, or allow more.");
            }
        }
    }

    /// <summary>The rows, in their order.</summary>
    public static IEnumerable<DatasetRow> Rows(string folder) =>
        File.ReadLines(Path.Combine(folder, RowsFile))
            .Select(line => JsonSerializer.Deserialize<DatasetRow>(line, Json)!);

    private static string Listed(List<DatasetProblem> problems)
    {
        const int most = 3;
        var listed = problems.Take(most).Select(problem => $"{problem.Line} {problem.Message}");
        var more = problems.Count > most ? "; ..." : "";
        return problems.Count == 0 ? "" : $" Line {string.Join("; line ", listed)}{more}.";
    }

    private static string Digest(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
