using Serving.Storage;

namespace Serving.Hub.Sources;

/// <summary>Tries again what may go well later: after a pause that doubles, or as long as the source says.</summary>
/// <param name="remedy">What to do if it never goes well, as a clause.</param>
internal sealed class Retries(TimeProvider time, string remedy)
{
    /// <summary>Tries without any progress.</summary>
    public const int MostTries = 5;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    /// <param name="attempt">Throws <see cref="TransientException"/> to be tried again.</param>
    /// <param name="progress">A number that grows with what attempts achieve.</param>
    /// <param name="tell">Hears why it waits.</param>
    /// <exception cref="DomainException">It went wrong too often, or the source wants too long a pause.</exception>
    public async Task<T> RunAsync<T>(
        Func<Task<T>> attempt, Func<long> progress, Action<string> tell, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            var before = progress();
            TransientException failure;
            try
            {
                return await attempt();
            }
            catch (TransientException exception)
            {
                failure = exception;
            }

            if (progress() > before)
                tries = 1;
            var pause = failure.RetryAfter ?? FirstPause * Math.Pow(2, tries - 1);
            if (tries == MostTries || failure.IsHopeless || pause > LongestPause)
                throw Unavailable(failure);
            tell($"{failure.Message}; trying again in {pause.TotalSeconds:0} s");
            await Task.Delay(pause, time, cancellationToken);
        }
    }

    private DomainException Unavailable(TransientException failure) => DomainException.Unavailable(
        char.ToUpperInvariant(failure.Message[0]) + failure.Message[1..],
        failure.RetryAfter is { } pause && pause > LongestPause
            ? $"it wants to be asked again in {pause.TotalMinutes:0} minutes; what is downloaded stays"
            : $"{remedy}; what is downloaded stays");
}
