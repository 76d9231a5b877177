using Serving.Testing;
using Serving.Training.Data;
using Serving.Training.Recipes;

namespace Serving.Training.Tests.Recipes;

public sealed class HeldOutRowsTests
{
    [Theory]
    [InlineData(0.1)]
    [InlineData(0.25)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void Stratified_HoldsTheShareOfEachLabelOut(double share)
    {
        List<DatasetRow> rows = [.. Rows("a", 400), .. Rows("b", 40), .. Rows("c", 20)];
        var held = HeldOut(rows, share);
        foreach (var (label, count) in ((string, int)[])[("a", 400), ("b", 40), ("c", 20)])
            Assert.Equal((int)(share * count), held.Count(row => row.Label == label));
    }

    [Fact]
    public void Stratified_OfOneRow_KeepsItToLearnFrom()
    {
        var held = HeldOut([.. Rows("a", 30), .. Rows("b", 30), .. Rows("rare", 1)], 0.5);
        Assert.Equal(30, held.Count);
        Assert.DoesNotContain(held, row => row.Label == "rare");
    }

    /// <summary>Whatever the texts are: their hashes decide which, not whether.</summary>
    [Fact]
    public void Stratified_OfFewRows_AlwaysHasBothSides()
    {
        for (var salt = 0; salt < 500; salt++)
        {
            List<DatasetRow> rows = [.. Rows($"a", 3, salt), .. Rows("b", 2, salt)];
            foreach (var share in (double[])[0.001, 0.1, 0.5, 0.999])
            {
                var held = HeldOut(rows, share);
                Assert.InRange(held.Count, 1, 3);
                Assert.Equal(["a", "b"], rows.Except(held).Select(row => row.Label).Distinct());
            }
        }
    }

    [Fact]
    public void Stratified_EqualTexts_AreOnOneSide_WhateverTheirOrder()
    {
        List<DatasetRow> rows = [.. Enumerable.Range(0, 200).Select(i => new DatasetRow(
            $"text {i % 40}", null, i % 7 == 0 ? "a" : "b"))];
        var held = HeldOut(rows, 0.2);
        Assert.Empty(held.Select(row => row.Text).Intersect(rows.Except(held).Select(row => row.Text)));
        rows.Reverse();
        Assert.Equal(Texts(held), Texts(HeldOut(rows, 0.2)));

        static IEnumerable<string> Texts(List<DatasetRow> some) => some.Select(row => row.Text).Distinct().Order();
    }

    [Fact]
    public void Stratified_PairsDifferByTheSecondText()
    {
        List<DatasetRow> rows =
            [.. Enumerable.Range(0, 20).Select(i => new DatasetRow("same", $"other {i}", i % 2 == 0 ? "a" : "b"))];
        Assert.Equal(4, HeldOut(rows, 0.2).Count);
    }

    [Fact]
    public void Stratified_WhereNoTextCanBeSpared_IsNull()
    {
        Assert.Null(HeldOutRows.Stratified([new("same", null, "a"), new("same", null, "b")], 0.5, hasClasses: true));
        Assert.Null(HeldOutRows.Stratified(
            [new("one", null, "a"), new("two", null, "b"), new("two", null, "b")], 0.5, hasClasses: true));
        Assert.Null(HeldOutRows.Stratified([new("same", null, "1"), new("same", null, "2")], 0.5, hasClasses: false));
        Assert.Null(HeldOutRows.Stratified([new("one", null, "1")], 0.5, hasClasses: false));
    }

    /// <summary>The label b has a text of its own and one that belongs to a, so a's may be held out.</summary>
    [Fact]
    public void Stratified_TextsOfSeveralLabels_LeaveEachSomethingToLearnFrom()
    {
        List<DatasetRow> rows = [new("x", null, "a"), new("x", null, "a"), new("x", null, "b"), new("y", null, "a")];
        Assert.Equal(["y"], HeldOut(rows, 0.9).Select(row => row.Text).Distinct());
    }

    [Fact]
    public void Stratified_OfNumbers_HoldsTheShareOfAllOut()
    {
        List<DatasetRow> rows = [.. Enumerable.Range(0, 50).Select(i => new DatasetRow($"text {i}", null, $"{i}.5"))];
        Assert.Equal(10, HeldOut(rows, 0.2, hasClasses: false).Count);
        Assert.Single(HeldOut(rows[..2], 0.001, hasClasses: false));
    }

    [SharedFact("cases/e11-rare-class.tsv")]
    public void HandedFile_WithARareLabel_KeepsItToLearnFrom()
    {
        var held = HeldOut(File("e11-rare-class.tsv"), 0.1);
        Assert.Equal((3, 3), (held.Count(row => row.Label == "pos"), held.Count(row => row.Label == "neg")));
        Assert.Equal(6, held.Count);
    }

    [SharedFact("cases/e05-all-texts-equal.tsv")]
    public void HandedFile_OfOneText_CannotBeSplit() => Assert.Null(
        HeldOutRows.Stratified(File("e05-all-texts-equal.tsv"), 0.1, hasClasses: true));

    private static List<DatasetRow> File(string name) =>
    [
        .. DatasetReader.Read(
            SharedFiles.At($"cases/{name}"), DatasetFormat.Tsv, new("text", Label: "label"),
            problem => Assert.Fail(problem.Message))
    ];

    private static IEnumerable<DatasetRow> Rows(string label, int count, int salt = 0) =>
        Enumerable.Range(0, count).Select(i => new DatasetRow($"{label} {i} {salt}", null, label));

    private static List<DatasetRow> HeldOut(List<DatasetRow> rows, double share, bool hasClasses = true)
    {
        var isHeldOut = HeldOutRows.Stratified(rows, share, hasClasses)!;
        return [.. rows.Where((_, i) => isHeldOut[i])];
    }
}
