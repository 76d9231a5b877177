namespace Serving.Testing;

/// <summary>Waits for what another thread brings about.</summary>
public static class Eventually
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <exception cref="TimeoutException">
    /// It did not become true in five minutes: long, since a machine may be busy with much else.
    /// </exception>
    public static async Task TrueAsync(Func<bool> condition, string what)
    {
        var end = DateTime.UtcNow + Limit;
        // Whoever is to bring it about may need the processor.
        using var looks = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (!condition())
        {
            if (DateTime.UtcNow > end)
            {
                throw new TimeoutException($"Not so after {Limit}: {what}.");
            }

            await looks.WaitForNextTickAsync();
        }
    }

    /// <summary>A task, or a failure after five minutes.</summary>
    public static Task<T> Within<T>(this Task<T> task) => task.WaitAsync(Limit);

    public static Task Within(this Task task) => task.WaitAsync(Limit);
}
