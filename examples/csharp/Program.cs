using Grpc.Core;
using Serving.Client;
using Serving.Example;

// dotnet run --project examples/csharp -- ADDRESS classify TEXT TASK...
// dotnet run --project examples/csharp -- ADDRESS stream TASK < texts
// dotnet run --project examples/csharp -- ADDRESS import TASK FOLDER
// dotnet run --project examples/csharp -- ADDRESS train TASK FILE.tsv
if (args.Length < 3)
{
    Console.Error.WriteLine("An address, a verb and what it takes are needed: http://localhost:5050 classify \"what a day\" sentiment");
    return 2;
}

// One client for the whole program: it keeps its connection, and all threads may use it. Calls end after 30 seconds, and are
// tried again while the server is away; ServingClientOptions changes that.
using var client = new ServingClient(args[0]);
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, press) =>
{
    press.Cancel = true;
    stop.Cancel();
};
try
{
    await (args[1] switch
    {
        "classify" => Examples.ClassifyAsync(client, args[2], args[3..], stop.Token),
        "stream" => Examples.StreamAsync(client, args[2], stop.Token),
        "import" => Examples.ImportAsync(client, args[2], args[3], stop.Token),
        "train" => Examples.TrainAsync(client, args[2], args[3], stop.Token),
        _ => throw new ArgumentException($"'{args[1]}' is none of classify, stream, import and train.")
    });
    return 0;
}
catch (RpcException exception)
{
    // Errors come with details for programs, too: exception.GetRpcStatus().
    await Console.Error.WriteLineAsync($"{exception.StatusCode}: {exception.Status.Detail}");
    return 1;
}
