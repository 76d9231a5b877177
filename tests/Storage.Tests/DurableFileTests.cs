using Serving.Testing;
using Serving.Testing.PowerCut;

namespace Serving.Storage.Tests;

/// <summary>Power goes at any moment: what is left is the state before or after.</summary>
public sealed class DurableFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _root;

    public DurableFileTests()
    {
        _root = _folder.At("root");
        Directory.CreateDirectory(_root);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Replace_LeavesTheOldContentsOrTheNew()
    {
        File.WriteAllText(Path.Combine(_root, "a"), "old");
        var power = Record();
        power.Replace(Path.Combine(_root, "a"), "new!"u8);

        var found = new HashSet<string>();
        Assert.InRange(Replay(power, isDone =>
        {
            var text = File.ReadAllText(_folder.At("cut/a"));
            Assert.True(!isDone || text == "new!");
            found.Add(text);
        }), 4, 1000);

        Assert.Equal(["new!", "old"], found.Order());
    }

    [Fact]
    public void Replace_InAFolderThatIsNotThere_MakesItDurably()
    {
        var power = Record();
        power.Replace(Path.Combine(_root, "a", "b", "c"), "new"u8);
        Replay(power, isDone =>
        {
            var path = _folder.At("cut/a/b/c");
            Assert.True(File.Exists(path) || !isDone);
            Assert.True(!File.Exists(path) || File.ReadAllText(path) == "new");
        });
    }

    [Fact]
    public void Replace_ThatFails_LeavesNothing()
    {
        var path = Path.Combine(_root, "a");
        File.WriteAllText(path, "old");
        Assert.Throws<InvalidOperationException>(() => DiskFileSystem.Instance.Replace(
            path, file => throw new InvalidOperationException("half-way")));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFileSystemEntries(_root));
    }

    [Fact]
    public void MoveFolder_IsThereAsAWholeOrNotAtAll()
    {
        var power = Record();
        power.EnsureFolder(Path.Combine(_root, ".draft", "below"));
        power.WriteNew(Path.Combine(_root, ".draft", "one"), file => file.Write("1"u8));
        power.WriteNew(Path.Combine(_root, ".draft", "below", "two"), file => file.Write("22"u8));
        power.MoveFolder(Path.Combine(_root, ".draft"), Path.Combine(_root, "in", "place"));
        Replay(power, isDone =>
        {
            var place = _folder.At("cut/in/place");
            Assert.True(Directory.Exists(place) || !isDone);
            if (!Directory.Exists(place))
                return;
            Assert.Equal("1", File.ReadAllText(Path.Combine(place, "one")));
            Assert.Equal("22", File.ReadAllText(Path.Combine(place, "below", "two")));
        });
    }

    [Fact]
    public void DeleteFolder_IsGoneAsAWholeOrThereAsAWhole()
    {
        Directory.CreateDirectory(Path.Combine(_root, "a"));
        File.WriteAllText(Path.Combine(_root, "a", "one"), "1");
        File.WriteAllText(Path.Combine(_root, "a", "two"), "2");
        var power = Record();
        power.DeleteFolder(Path.Combine(_root, "a"), Path.Combine(_root, ".doomed"));
        Replay(power, isDone =>
        {
            Assert.False(isDone && Directory.Exists(_folder.At("cut/a")));
            if (Directory.Exists(_folder.At("cut/a")))
                Assert.Equal(2, Directory.GetFiles(_folder.At("cut/a")).Length);
        });
    }

    /// <summary>The double finds what it is there for: files that are renamed before they are flushed, and the like.
    /// </summary>
    [Theory]
    [InlineData(true, true, true)]
    [InlineData(false, true, false)]
    [InlineData(true, false, false)]
    public void Replay_FindsWhatWasNotFlushed(bool flushesFile, bool flushesFolder, bool isDurable)
    {
        var power = Record();
        var (temporary, path) = (Path.Combine(_root, "t"), Path.Combine(_root, "a"));
        using (var file = power.Create(temporary))
        {
            file.Write("new"u8);
            if (flushesFile)
                power.Flush(file);
        }

        power.Rename(temporary, path);
        if (flushesFolder)
            power.FlushFolder(_root);
        var failure = Record(() => Replay(power, isDone =>
        {
            var isThere = File.Exists(_folder.At("cut/a"));
            Assert.True(isThere || !isDone);
            Assert.True(!isThere || File.ReadAllText(_folder.At("cut/a")) == "new");
        }));
        Assert.Equal(isDurable, failure is null);
    }

    private static Exception? Record(Action action) => Xunit.Record.Exception(action);

    private RecordingFileSystem Record() => new(_root, _folder.At("before"));

    private int Replay(RecordingFileSystem power, Action<bool> check) => power.Replay(_folder.At("cut"), check);
}
