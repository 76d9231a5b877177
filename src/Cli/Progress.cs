using Spectre.Console;

namespace Serving.Cli;

/// <summary>How far work over many texts is: a bar on a terminal; nothing otherwise.</summary>
internal static class Progress
{
    /// <param name="work">Gets what it calls with the number of texts that are done.</param>
    public static Task RunAsync(string name, int count, Func<Action<int>, Task> work) => Console.IsOutputRedirected
        ? work(_ => { })
        : AnsiConsole.Progress().StartAsync(context =>
        {
            var bar = context.AddTask(Markup.Escape(name), maxValue: count);
            return work(done => bar.Increment(done));
        });
}
