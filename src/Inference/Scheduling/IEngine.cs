using Serving.Tensors;

namespace Serving.Inference.Scheduling;

/// <summary>An engine as lanes see it: where their batches come from.</summary>
/// <remarks>
/// Batches of one engine run on several lanes at a time; an engine that runs one at a time has no work for other lanes
/// meanwhile. What holds the lock of <see cref="LanePool"/> must be quick.
/// </remarks>
internal interface IEngine
{
    /// <summary>Whether it has a batch for an idle lane. The lock is held.</summary>
    bool HasWork { get; }

    /// <summary>Whether its next batch needs the whole device. The lock is held, and it has work.</summary>
    bool NeedsWholeDevice { get; }

    /// <summary>Takes its next batch. The lock is held.</summary>
    /// <param name="lane">The index of the lane.</param>
    /// <param name="isWide">Whether the lane has the whole device.</param>
    /// <param name="idleLanes">How many idle lanes its work may spread over, this one included.</param>
    /// <returns>False if nothing of what waited is to run; it has no work then.</returns>
    bool TryTakeBatch(int lane, bool isWide, int idleLanes);

    /// <summary>Runs the batch that a lane took; throws nothing. The lock is not held.</summary>
    /// <param name="device">The lane's part of the device, or all of it.</param>
    void RunBatch(int lane, TensorBackend device);

    /// <summary>Notes that the batch has run. The lock is held.</summary>
    void EndBatch(int lane, TimeSpan computed);

    /// <summary>Gives the batch's results to those who wait for them. The lock is not held.</summary>
    void AnswerBatch(int lane, TimeSpan computed);
}
