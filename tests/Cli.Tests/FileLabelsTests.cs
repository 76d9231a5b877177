using Serving.Testing;

namespace Serving.Cli.Tests;

public sealed class FileLabelsTests
{
    [Fact]
    public void Labels_AreAllNames_OrAllNumbersFrom0()
    {
        Assert.Equal([1, 0, null], FileLabels.Read(["neg", "pos"], ["pos", "neg", null], reading: null));
        Assert.Equal([1, 0], FileLabels.Read(["neg", "pos"], ["1", "0"], reading: null));
        Assert.Equal([0, 1], FileLabels.Read(["1", "2"], ["1", "2"], reading: null));
        Assert.Equal([0, 1], FileLabels.Read(["1", "2"], ["0", "1"], reading: null));
        Assert.Equal([0, 1], FileLabels.Read(["0", "1"], ["0", "1"], reading: null)); // Both, and the same.
        Assert.Equal([2, 1], FileLabels.Read(["a", "b", "0"], ["0", "b"], reading: null));
    }

    [Fact]
    public void Labels_ThatCanBeBoth_AreRefusedUntilItIsSaid()
    {
        var refused = Assert.Throws<CommandException>(
            () => FileLabels.Read(["1", "2", "3"], ["2", "1"], reading: null));
        Assert.Equal(
            "The labels 2, 1 of the file can be names of the task's labels, which are 1, 2, 3, or their numbers from "
            + "0. Say what they are: --labels names or --labels numbers.",
            refused.Message);
        Assert.Equal([1, 0], FileLabels.Read(["1", "2", "3"], ["2", "1"], FileLabels.Names));
        Assert.Equal([2, 1], FileLabels.Read(["1", "2", "3"], ["2", "1"], FileLabels.Numbers));
    }

    [Theory]
    [InlineData("pos", "0", null, "Text number 2 has the label '0', which the task does not know; its labels are neg, "
        + "pos, or 0 to 1 throughout the file.")]
    [InlineData("0", "2", null, "Text number 1 has the label '0', which the task does not know; its labels are neg, "
        + "pos, or 0 to 1 throughout the file.")]
    [InlineData("0", "2", "numbers", "Text number 2 has the label '2', which the task does not know; its labels are "
        + "0 to 1.")]
    [InlineData("0", "1", "names", "Text number 1 has the label '0', which the task does not know; its labels are neg, "
        + "pos.")]
    public void Labels_ThatAreNeither_AreRefused(string first, string second, string? reading, string message) =>
        Assert.Equal(
            message,
            Assert.Throws<CommandException>(() => FileLabels.Read(["neg", "pos"], [first, second], reading)).Message);

    /// <summary>Trained on labels 1 and 2, judged on 0 and 1.</summary>
    [SharedFact("cases/g01-labels-from-1.tsv")]
    public void HandedFiles_ThatCountFrom1AndFrom0_MeanTheSame()
    {
        var columns = new InputColumns(null, null, null, HasHeader: true);
        var trained = InputFile.Read(SharedFiles.At("cases/g01-labels-from-1.tsv"), columns);
        var judged = InputFile.Read(SharedFiles.At("cases/g02-same-texts-labels-from-0.tsv"), columns);
        Assert.Equal(
            FileLabels.Read(["1", "2"], [.. trained.Select(row => row.Label)], reading: null),
            FileLabels.Read(["1", "2"], [.. judged.Select(row => row.Label)], reading: null));
    }
}
