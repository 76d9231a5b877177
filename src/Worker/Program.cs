using Serving.Worker;

if (args is [var order])
    return JobWorker.Run(order);
await Console.Error.WriteLineAsync("Usage: Serving.Worker ORDER, the file of a job that the server has written.");
return 2;
