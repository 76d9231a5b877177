using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Grpc.Core;
using Serving.Models.Versions;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>Servers and workers that are killed while a job runs.</summary>
public partial class JobKillTests
{
    private const int LongestMilliseconds = 1200;
    private const int KillSignal = 9;
    private const int StopSignal = 19;

    private protected virtual ServerBuild Build => ServerBuild.Default;

    private protected virtual int Kills => 50;

    [Fact]
    public async Task KilledAtAnyMoment_TheJobGoesOn_ToTheSameBits_AndItsWatcherMissesNothing()
    {
        using var data = new DataFolder();
        string[] flags = ["--port", FreePort().ToString(), "--http-port", "0", "--Server:TrainingThreads=1"];
        var server = await ServerProcess.StartAsync(data, flags, build: Build);
        try
        {
            await Letters.UploadAsync(data, server.Client);
            using var watcher = new Client.ServingClient(server.Address);
            var (calm, calmEvents) = await FollowAsync(watcher, await SubmitAsync(server, "calm"));
            Assert.Equal((JobState.Succeeded, calm.Events), (calm.State, calmEvents));
            var expected = Files(data, "calm");

            var random = new Random(7);
            var (kills, ofWorkers) = (0, 0);
            var job = await SubmitAsync(server, "disturbed");
            var following = FollowAsync(watcher, job);
            while (kills < Kills)
            {
                if (await EndsWithinAsync(following, random.Next(LongestMilliseconds)))
                {
                    await VerifyAsync(data, following, expected);
                    job = await SubmitAsync(server, "disturbed");
                    following = FollowAsync(watcher, job);
                    continue;
                }

                if (kills % 2 == 1 && SignalWorker(data, KillSignal))
                {
                    ofWorkers++;
                }
                else
                {
                    if (kills % 4 == 2)
                        // As if the server had been answering. It must end all the same.
                        SignalWorker(data, StopSignal);
                    await server.KillAsync();
                    await server.DisposeAsync();
                    server = await ServerProcess.StartAsync(data, flags, build: Build);
                }

                kills++;
            }

            await VerifyAsync(data, following, expected);
            Assert.InRange(ofWorkers, Kills / 5, Kills * 4 / 5); // Both kinds were hit often enough to say something.
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    private static async Task<bool> EndsWithinAsync(Task following, int milliseconds)
    {
        try
        {
            await following.WaitAsync(TimeSpan.FromMilliseconds(milliseconds));
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private static async Task VerifyAsync(
        DataFolder data, Task<(Job Job, long Events)> following, IReadOnlyDictionary<string, string> expected)
    {
        var (job, events) = await following.WaitAsync(TimeSpan.FromMinutes(10));
        Assert.True(job.State == JobState.Succeeded, job.Message);
        Assert.Equal(job.Events, events);
        Assert.Equal(expected, Files(data, "disturbed"));
        Directory.Delete(data.At(Path.Combine("data", "tasks", "disturbed", job.TaskVersion)), recursive: true);
    }

    /// <summary>Watches a job to its end; its events come one by one in the order of their numbers.</summary>
    private static async Task<(Job Job, long Events)> FollowAsync(Client.ServingClient client, Job job)
    {
        var last = 0L;
        while (true)
        {
            try
            {
                await foreach (var happened in client.WatchJobAsync(job.Id, last))
                {
                    Assert.Equal(last + 1, happened.Number);
                    last = happened.Number;
                }

                return (await client.Jobs.GetJobAsync(new() { Id = job.Id }), last);
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.Unavailable)
            {
                // Killed since the last event, or so often that the client gave up; watching goes on when it is back.
            }
        }
    }

    private static async Task<Job> SubmitAsync(ServerProcess server, string task) =>
        await server.Client.Jobs.SubmitJobAsync(new() { Spec = Letters.MaskJob(epochs: 400, task) });

    /// <returns>Whether there was one.</returns>
    private static bool SignalWorker(DataFolder data, int signal)
    {
        foreach (var folder in Directory.GetDirectories("/proc").Where(
            folder => int.TryParse(Path.GetFileName(folder), out _)))
        {
            try
            {
                var arguments = File.ReadAllText(Path.Combine(folder, "cmdline")).Split('\0');
                if (!Array.Exists(arguments, argument => Path.GetFileName(argument) == "Serving.Worker.dll")
                    || !Array.Exists(arguments, argument => argument.StartsWith(data.Path, StringComparison.Ordinal)))
                    continue;
                return Signal(int.Parse(Path.GetFileName(folder)), signal) == 0;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile.
            }
        }

        return false;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int process, int signal);

    private static IReadOnlyDictionary<string, string> Files(DataFolder data, string task)
    {
        var folder = Directory.GetDirectories(data.At(Path.Combine("data", "tasks", task))).Single();
        return VersionFiles.ReadManifest(folder, Path.GetFileName(folder)).Files;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
