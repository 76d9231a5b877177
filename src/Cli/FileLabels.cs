using System.Globalization;

namespace Serving.Cli;

/// <summary>The labels of a file among those of the task: all by their names, or all by their numbers from 0.</summary>
internal static class FileLabels
{
    public const string Option = "--labels";
    public const string Names = "names";
    public const string Numbers = "numbers";

    /// <param name="labels">Of the task.</param>
    /// <param name="given">Of the file; null where it has none.</param>
    /// <param name="reading"><see cref="Names"/> or <see cref="Numbers"/>; null for what they can be.</param>
    /// <returns>Of each of the file's, which of the task's it is; null where it has none.</returns>
    /// <exception cref="CommandException">They can be neither, or both, and that would make a difference.</exception>
    public static IReadOnlyList<int?> Read(string[] labels, IReadOnlyList<string?> given, string? reading)
    {
        List<string> distinct = [.. given.OfType<string>().Distinct(StringComparer.Ordinal)];
        var areNames = reading != Numbers && distinct.TrueForAll(label => ByName(label) >= 0);
        var areNumbers = reading != Names && distinct.TrueForAll(label => ByNumber(label) >= 0);
        if (areNames && areNumbers && distinct.Exists(label => ByName(label) != ByNumber(label)))
        {
            throw new CommandException(
                $"The labels {string.Join(", ", distinct)} of the file can be names of the task's labels, which are "
                + $"{string.Join(", ", labels)}, or their numbers from 0. Say what they are: {Option} {Names} or "
                + $"{Option} {Numbers}.");
        }

        if (!areNames && !areNumbers)
            throw Unknown();
        return [.. given.Select(label => label is null ? (int?)null : areNames ? ByName(label) : ByNumber(label))];

        int ByName(string label) => Array.IndexOf(labels, label);

        int ByNumber(string label) =>
            int.TryParse(label, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number < labels.Length
                ? number
                : -1;

        CommandException Unknown()
        {
            var row = given.Index().First(label =>
                label.Item is { } named && (reading == Numbers ? ByNumber(named) : ByName(named)) < 0).Index;
            var numbers = $"0 to {labels.Length - 1}";
            return new(
                $"Text number {row + 1} has the label '{given[row]}', which the task does not know; its labels are "
                + (reading == Numbers ? numbers : string.Join(", ", labels))
                + (reading is null ? $", or {numbers} throughout the file." : "."));
        }
    }
}
