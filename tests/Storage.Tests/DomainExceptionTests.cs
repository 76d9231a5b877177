namespace Serving.Storage.Tests;

public sealed class DomainExceptionTests
{
    [Fact]
    public void Message_IsASentenceOfItsParts()
    {
        Assert.Equal("a.b: It is 7.", DomainException.Invalid("a.b", "It is 7").Message);
        Assert.Equal(
            "a.b: It is 7; 1 to 5 is needed.", DomainException.Invalid("a.b", "It is 7", "1 to 5 is needed").Message);
        Assert.Equal(
            "It takes 7 bytes; 5 are allowed. Delete some.",
            DomainException.TooLarge("It takes 7 bytes", "5 are allowed", "delete some").Message);
        Assert.Equal(
            "The queue is full; retry later.",
            DomainException.Exhausted("The queue is full", "retry later", TimeSpan.FromSeconds(1)).Message);
        Assert.Equal("Said elsewhere.", DomainException.FailedPrecondition("tasks/t", "Said elsewhere.").Message);
    }

    [Fact]
    public void NotFound_NamesTheNearest()
    {
        var error = DomainException.NotFound("task", "sentimnet", ["question", "sentiment", "review", "topic"]);
        Assert.Equal(
            "There is no task 'sentimnet'. The nearest are 'sentiment', 'question', 'review'.", error.Message);
        Assert.Equal(["sentiment", "question", "review"], error.Known);
        Assert.Equal("There is no task 'x'. There is no task yet.", DomainException.NotFound("task", "x", []).Message);
    }

    [Theory]
    [InlineData("", "", 0)]
    [InlineData("abc", "abc", 0)]
    [InlineData("abc", "", 3)]
    [InlineData("kitten", "sitting", 3)] // k -> s, e -> i, and a g.
    [InlineData("ab", "ba", 2)]
    public void EditDistance_CountsEdits(string a, string b, int edits)
    {
        Assert.Equal(edits, NearestNames.EditDistance(a, b));
        Assert.Equal(edits, NearestNames.EditDistance(b, a));
    }

    [Theory]
    [InlineData("a", true)]
    [InlineData("A-1_b.c", true)]
    [InlineData("", false)]
    [InlineData(".a", false)]
    [InlineData("-a", false)]
    [InlineData("a/b", false)]
    [InlineData("a b", false)]
    [InlineData("ä", false)]
    public void Name_IsOneThatAFolderMayHave(string name, bool isValid)
    {
        Assert.Equal(isValid, ResourceName.IsValid(name));
        if (!isValid)
            Assert.Equal("task", Assert.Throws<DomainException>(() => ResourceName.Require("task", name)).Field);
    }
}
