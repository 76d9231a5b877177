using Google.Protobuf;
using Spectre.Console;

namespace Serving.Cli;

/// <summary>Answers for people, as tables on a terminal or tab-separated lines, or JSON for programs.</summary>
internal sealed class Output(bool isJson, TextWriter writer)
{
    private static readonly JsonFormatter Formatter = new(JsonFormatter.Settings.Default
        .WithFormatDefaultValues(true)
        .WithPreserveProtoFieldNames(true));

    public bool IsJson { get; } = isJson;

    /// <summary>An answer: the whole message as one line of JSON, or what people want to see of it.</summary>
    public void Write(IMessage message, Action<Output> forPeople)
    {
        if (IsJson)
            writer.WriteLine(Formatter.Format(message));
        else
            forPeople(this);
    }

    public void Line(string text) => writer.WriteLine(text);

    /// <summary>A part of a line, which shows at once.</summary>
    public void Text(string text)
    {
        writer.Write(text);
        writer.Flush();
    }

    public void Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        if (Console.IsOutputRedirected)
        {
            writer.WriteLine(string.Join('\t', columns));
            foreach (var row in rows)
                writer.WriteLine(string.Join('\t', row));
            return;
        }

        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns)
            table.AddColumn(Markup.Escape(column));
        foreach (var row in rows)
            table.AddRow([.. row.Select(Markup.Escape)]);
        AnsiConsole.Write(table);
    }

    /// <summary>Bytes in the unit that suits them.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        >= 1L << 30 => $"{bytes / (double)(1L << 30):F1} GiB",
        >= 1L << 20 => $"{bytes / (double)(1L << 20):F1} MiB",
        >= 1L << 10 => $"{bytes / (double)(1L << 10):F1} KiB",
        _ => $"{bytes} B"
    };
}
