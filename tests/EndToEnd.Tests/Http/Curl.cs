using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Serving.Testing;

namespace Serving.EndToEnd.Tests.Http;

/// <summary>The curl of this machine, as a user calls it.</summary>
internal static class Curl
{
    public const string Path = "/usr/bin/curl";

    /// <summary>Comes after the body, on standard error, where it follows what curl has to complain about.</summary>
    private const string Report = "%{stderr}--report-- %{http_code} %{http_version}\n%{header_json}";

    /// <param name="arguments">As on the command line; paths and brackets go out as they are.</param>
    /// <param name="input">What curl reads as @-.</param>
    public static async Task<CurlAnswer> RunAsync(IEnumerable<string> arguments, byte[]? input = null)
    {
        var start = new ProcessStartInfo(Path)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        foreach (
            var argument in (string[])[
                "-sS", "-g", "-k", "--path-as-is", "--max-time", "280", "-w", Report, .. arguments
            ])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        using var body = new MemoryStream();
        var reading = process.StandardOutput.BaseStream.CopyToAsync(body);
        try
        {
            if (input is not null)
                await process.StandardInput.BaseStream.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // curl has its answer and reads no more.
        }

        await process.WaitForExitAsync().Within();
        await reading.Within();
        var (complaint, report) = (await errors).Split("--report-- ") switch
        {
            [var before, var after] => (before, after),
            var all => (string.Concat(all), "0 0\n{}")
        };
        var lines = report.Split('\n', 2);
        var numbers = lines[0].Split(' ');
        return new(
            int.Parse(numbers[0]),
            numbers[1],
            JsonDocument.Parse(lines[1]).RootElement,
            body.ToArray(),
            process.ExitCode,
            complaint);
    }

    public static Task<CurlAnswer> RunAsync(params string[] arguments) => RunAsync(arguments, input: null);
}

/// <param name="Status">Of HTTP; 0 if there was no answer.</param>
/// <param name="Version">"1.1" or "2"</param>
/// <param name="Headers">Lists of values by name in lower case.</param>
/// <param name="ExitCode">Of curl: 0, or why an answer is not whole.</param>
internal sealed partial record CurlAnswer(
    int Status, string Version, JsonElement Headers, byte[] Body, int ExitCode, string Complaint)
{
    public string Text => Encoding.UTF8.GetString(Body);

    public string ContentType => Header("content-type");

    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    /// <summary>The messages of a stream, one a line.</summary>
    public List<JsonElement> Lines =>
        [
            .. Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(
                line => JsonDocument.Parse(line).RootElement)
        ];

    /// <returns>Empty if there is none.</returns>
    public string Header(string name) => Headers.TryGetProperty(name, out var values) ? values[0].GetString()! : "";

    /// <param name="path">"results[0].label"; "" for the whole.</param>
    /// <returns>A string's text, anything else as JSON; null if it is not there.</returns>
    public string? At(string path) => At(Json, path);

    public static string? At(JsonElement json, string path)
    {
        foreach (Match step in Step().Matches(path))
        {
            var isThere = int.TryParse(step.Groups[1].Value, out var i)
                ? json.ValueKind == JsonValueKind.Array && i < json.GetArrayLength()
                : json.ValueKind == JsonValueKind.Object && json.TryGetProperty(step.Value, out _);
            if (!isThere)
                return null;
            json = step.Groups[1].Success ? json[i] : json.GetProperty(step.Value);
        }

        return json.ValueKind == JsonValueKind.String ? json.GetString() : json.GetRawText();
    }

    public override string ToString() =>
        $"{Status} {ContentType} (curl {ExitCode} {Complaint.Trim()}): {(Text.Length > 2000 ? Text[..2000] : Text)}";

    [GeneratedRegex(@"\[(\d+)\]|[^.\[\]]+")]
    private static partial Regex Step();
}
