using System.CommandLine;
using Serving.Cli;

return await Commands.Create().Parse(args).InvokeAsync();
