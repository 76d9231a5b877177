using System.Text;
using Serving.Testing;
using Serving.Training.Data;

namespace Serving.Training.Tests.Data;

/// <summary>Files of examples, and what comes of reading them.</summary>
public sealed class DatasetFiles : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static DatasetColumns Labelled { get; } = new("text", Label: "label");

    public string Write(ReadOnlySpan<byte> bytes)
    {
        var path = _folder.At("file");
        File.WriteAllBytes(path, bytes);
        return path;
    }

    /// <returns>The rows as "TEXT|LABEL", and the problems as "LINE MESSAGE".</returns>
    public static (List<string> Rows, List<string> Problems) ReadFile(
        string path, DatasetFormat format, DatasetColumns columns)
    {
        var problems = new List<string>();
        var rows = DatasetReader.Read(
            path, format, columns, problem => problems.Add($"{problem.Line} {problem.Message}"));
        return ([.. rows.Select(row => row.Label is null ? row.Text : $"{row.Text}|{row.Label}")], problems);
    }

    public (List<string> Rows, List<string> Problems) Read(
        string text, DatasetFormat format, DatasetColumns? columns = null) =>
        ReadFile(Write(Encoding.UTF8.GetBytes(text)), format, columns ?? Labelled);

    public string Refused(string text, DatasetFormat format, DatasetColumns? columns = null) =>
        Refused(Encoding.UTF8.GetBytes(text), format, columns);

    public string Refused(byte[] bytes, DatasetFormat format, DatasetColumns? columns = null) =>
        RefusedFile(Write(bytes), format, columns ?? Labelled);

    public static string RefusedFile(string path, DatasetFormat format, DatasetColumns columns) =>
        Assert.Throws<DatasetException>(() => ReadFile(path, format, columns)).Message;

    public void Dispose() => _folder.Dispose();
}
