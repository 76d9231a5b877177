using System.CommandLine;
using Serving.Bench;

return await new RootCommand("Measurements of the product, with random weights.")
{
    DecoderBench.Create(),
    EmbedBench.Create(),
    EncoderBench.Create(),
    GenerateBench.Create(),
    LeakBench.Create(),
    LinearBench.Create(),
    SamplingBench.Create(),
    ServerBench.Create(),
    SwapBench.Create(),
    TrainBench.Create(),
    WordsBench.Create()
}.Parse(args).InvokeAsync();
