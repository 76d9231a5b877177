using System.CommandLine;
using Serving.Bench;

return new RootCommand("Measurements of the product, with random weights.")
{
    EncoderBench.Create(),
    LinearBench.Create()
}.Parse(args).Invoke();
