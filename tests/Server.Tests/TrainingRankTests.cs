using Serving.Server.Configuration;
using Serving.Threading;

namespace Serving.Server.Tests;

public sealed class TrainingRankTests
{
    private const string InContainer = "DOTNET_RUNNING_IN_CONTAINER";

    /// <summary>A container's neighbors may never leave a processor idle.</summary>
    [Fact]
    public void Default_IsIdle_AndLowInAContainer()
    {
        var before = Environment.GetEnvironmentVariable(InContainer);
        try
        {
            Environment.SetEnvironmentVariable(InContainer, null);
            Assert.Equal(ProcessRank.Idle, new ServerOptions().ResolvedTrainingRank);
            Environment.SetEnvironmentVariable(InContainer, "true");
            Assert.Equal(ProcessRank.Low, new ServerOptions().ResolvedTrainingRank);
            Assert.Equal(
                ProcessRank.Normal, new ServerOptions { TrainingRank = ProcessRank.Normal }.ResolvedTrainingRank);
        }
        finally
        {
            Environment.SetEnvironmentVariable(InContainer, before);
        }
    }
}
