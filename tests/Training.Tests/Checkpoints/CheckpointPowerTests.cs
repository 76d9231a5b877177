using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Testing.PowerCut;
using Serving.Training.Checkpoints;

namespace Serving.Training.Tests.Checkpoints;

/// <summary>Whenever power goes, there is a checkpoint to go on from, and it is whole.</summary>
public sealed class CheckpointPowerTests
{
    [Fact]
    public void Save_WhenPowerGoes_LeavesTheCheckpointBeforeOrThatOne()
    {
        using var folder = new TemporaryFolder();
        using var backend = new CpuBackend(1);
        using var weights = backend.Allocate(2, 3);
        var root = folder.At("checkpoints");
        weights.CopyFrom([1, 2, 3, 4, 5, 6]);
        Save(new(root), step: 7);
        var power = new RecordingFileSystem(root, folder.At("before"));
        weights.CopyFrom([7, 8, 9, 10, 11, 12]);
        Save(new(root, power), step: 14);

        var found = new HashSet<long>();
        power.Replay(folder.At("cut"), isDone =>
        {
            using var checkpoint = new CheckpointFolder<State>(folder.At("cut")).Open();
            Assert.NotNull(checkpoint);
            checkpoint.Read("weights", weights);
            Assert.Equal(checkpoint.State.Step == 7 ? [1, 2, 3, 4, 5, 6] : [7, 8, 9, 10, 11, 12], weights.ToArray());
            Assert.Equal([(byte)checkpoint.State.Step], checkpoint.ReadBytes("random"));
            Assert.True(!isDone || checkpoint.State.Step == 14);
            found.Add(checkpoint.State.Step);
        });
        Assert.Equal([7, 14], found.Order());

        void Save(CheckpointFolder<State> checkpoints, long step) =>
            checkpoints.Save(step, new(step), [("weights", weights)], [("random", [(byte)step])]);
    }

    [Fact]
    public void Save_OfTheSameStep_KeepsTheOneThatIsThere()
    {
        using var folder = new TemporaryFolder();
        var checkpoints = new CheckpointFolder<State>(folder.Path);
        checkpoints.Save(7, new(7), [], [("random", [1])]);
        checkpoints.Save(7, new(7), [], [("random", [1])]);
        using var checkpoint = checkpoints.Open();
        Assert.Equal(7, checkpoint!.State.Step);
        Assert.Single(Directory.GetFileSystemEntries(folder.Path));
    }

    private sealed record State(long Step);
}
