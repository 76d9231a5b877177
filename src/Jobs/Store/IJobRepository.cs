using System.Text.Json;
using Serving.Jobs.Records;
using Serving.Storage;

namespace Serving.Jobs.Store;

/// <summary>The right to run a job, of one server at a time.</summary>
/// <param name="Token">Another for each lease: a job that was taken from its holder obeys it no more.</param>
public sealed record JobLease(string Job, long Token);

/// <summary>Jobs and their events, durably. A job that runs is changed by the holder of its lease alone.</summary>
public interface IJobRepository
{
    /// <summary>Queues a job.</summary>
    /// <param name="spec">See <see cref="JobRecord.Spec"/>.</param>
    /// <param name="recipe">JSON for the worker.</param>
    /// <param name="inputs">See <see cref="JobRecord.Inputs"/>.</param>
    /// <exception cref="DomainException">The jobs that are there take all the room.</exception>
    /// <exception cref="IOException">It can't be written; nothing has changed.</exception>
    Task<JobRecord> CreateAsync(JsonElement spec, string recipe, InputDigests? inputs = null);

    /// <exception cref="DomainException">There is none.</exception>
    Task<JobRecord> GetAsync(string id);

    /// <exception cref="DomainException">There is none.</exception>
    Task<string> GetRecipeAsync(string id);

    /// <summary>Jobs, the latest first.</summary>
    /// <param name="before">Only those that are older than this one; empty for all.</param>
    Task<IReadOnlyList<JobRecord>> ListAsync(string before, int count);

    /// <summary>How many events a job has.</summary>
    /// <exception cref="DomainException">There is no such job.</exception>
    Task<long> CountEventsAsync(string id);

    /// <summary>Events behind a cursor: those that are there, then those that come, until the job is over.</summary>
    /// <param name="cursor">The number of the last event that is known.</param>
    IAsyncEnumerable<JobEvent> WatchAsync(string id, long cursor, CancellationToken cancellationToken);

    /// <summary>
    /// Takes the job that waits longest of those that may start; it runs from now on. One whose beginning can't be
    /// written fails.
    /// </summary>
    /// <param name="mayStart">Asked for one job after another, the one that waits longest first; null for all.</param>
    /// <returns>Null if none waits that may start.</returns>
    Task<JobLease?> TakeNextAsync(Func<JobRecord, bool>? mayStart = null);

    /// <summary>
    /// Queues jobs that run without a valid lease: their server is gone. Those for which that can't be written, too.
    /// </summary>
    /// <param name="message">Of the event.</param>
    Task QueueAbandonedAsync(string message);

    /// <summary>
    /// Ends a job and its lease, durably, with an event, and removes what nobody can use any more. If the end can't be
    /// written, the job is over for as long as the server runs, and its message says so.
    /// </summary>
    /// <param name="state">One that is over.</param>
    /// <param name="change">Changes more of the record.</param>
    /// <exception cref="DomainException">The lease was lost; nothing has changed.</exception>
    Task EndAsync(
        JobLease lease, JobState state, string message = "", Func<JobRecord, JobRecord>? change = null);

    /// <summary>Notes what a job of a former release reads.</summary>
    /// <exception cref="DomainException">The lease was lost; nothing has changed.</exception>
    /// <exception cref="IOException">It can't be written; nothing has changed.</exception>
    Task PinAsync(JobLease lease, InputDigests inputs);

    /// <summary>
    /// Adds an event of a job that runs; its number and time are filled in. Progress is noted in the record.
    /// </summary>
    /// <exception cref="DomainException">The lease was lost; nothing has changed.</exception>
    /// <exception cref="IOException">It can't be written.</exception>
    Task AddEventAsync(JobLease lease, JobEvent added);

    /// <summary>Changes the state of a job that does not run, if it is one of those it may be in.</summary>
    /// <returns>Whether it was.</returns>
    /// <exception cref="DomainException">There is no such job.</exception>
    /// <exception cref="IOException">It can't be written; nothing has changed.</exception>
    Task<bool> TryEnterAsync(string id, JobState state, params IReadOnlyList<JobState> from);

    /// <summary>Deletes a job and its files, if it is over.</summary>
    /// <returns>Whether it was.</returns>
    /// <exception cref="DomainException">There is no such job.</exception>
    /// <exception cref="IOException">It can't be taken away; nothing has changed.</exception>
    Task<bool> TryDeleteAsync(string id);

    /// <summary>The folder on this machine that a worker works in: checkpoints and artifacts.</summary>
    string Folder(string id);
}
