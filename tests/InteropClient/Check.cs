using Grpc.Core;

namespace Serving.InteropClient;

/// <summary>Fails a case.</summary>
internal static class Check
{
    public static void Equal<T>(T expected, T actual, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
        {
            throw new InvalidOperationException($"{what} is {actual}, expected {expected}.");
        }
    }

    public static async Task FailsAsync(StatusCode expected, Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (RpcException exception) when (exception.StatusCode == expected)
        {
            return;
        }

        throw new InvalidOperationException($"The call succeeded, expected {expected}.");
    }
}
