using System.CommandLine;
using Serving.Tensors;
using Serving.Tensors.Cpu;

namespace Serving.Bench;

/// <summary>One linear layer: plain, bfloat16, with one mask and with many, beside the multiply-add peak.</summary>
internal static class LinearBench
{
    public static Command Create()
    {
        var rows = new Option<int>("--rows") { DefaultValueFactory = _ => 1024, Description = "Tokens." };
        var inFeatures = new Option<int>("--in") { DefaultValueFactory = _ => 768 };
        var outFeatures = new Option<int>("--out") { DefaultValueFactory = _ => 3072 };
        var segment =
            new Option<int>("--segment") { DefaultValueFactory = _ => 25, Description = "Rows of each mask." };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var device = CommonOptions.Device();
        var json = CommonOptions.Json();
        var command = new Command("linear", "A linear layer, plain and through masks.")
        {
            rows, inFeatures, outFeatures, segment, threads, device, json
        };
        command.SetAction(parsed => Run(
            parsed.GetValue(rows),
            parsed.GetValue(inFeatures),
            parsed.GetValue(outFeatures),
            parsed.GetValue(segment),
            parsed.GetValue(device)!,
            parsed.GetValue(threads),
            parsed.GetValue(json)));
        return command;
    }

    private static void Run(
        int rows, int inFeatures, int outFeatures, int segmentRows, string device, int threads, bool asJson)
    {
        using var backend = CommonOptions.CreateBackend(device, threads);
        using var x = RandomTensors.Normal(backend, rows, inFeatures, seed: 1);
        using var dense = RandomTensors.Normal(backend, outFeatures, inFeatures, seed: 2);
        using var weight = backend.PackWeight([dense]);
        using var halfWeight = backend.PackWeight([dense], WeightFormat.BFloat16);
        using var output = backend.Allocate(rows, outFeatures);
        var segmentCount = (rows + segmentRows - 1) / segmentRows;
        using var masks = backend.AllocateMasks(Enumerable.Repeat((outFeatures, inFeatures), segmentCount).ToArray());
        foreach (var mask in masks.Masks)
            mask.Write(0, outFeatures, RandomTensors.Bits(outFeatures * (long)inFeatures, seed: 3));
        var mixed = masks.Masks
            .Select((mask, i) => new RowSegment(Math.Min(segmentRows, rows - (i * segmentRows)), mask))
            .ToArray();
        RowSegment[] single = [new(rows, masks.Masks[0])];

        var peak = PeakGflops(backend);
        Measure("dense", weight, []);
        Measure("one mask", weight, single);
        Measure($"a mask every {segmentRows} rows", weight, mixed);
        Measure("bfloat16", halfWeight, []);
        Measure($"bfloat16, a mask every {segmentRows} rows", halfWeight, mixed);

        void Measure(string name, PackedWeight packed, RowSegment[] segments)
        {
            var median = Measurement.Median(31, () =>
                backend.Linear(x, packed, bias: default, segments, Activation.None, residual: default, output));
            var gflops = 2e-9 * rows * inFeatures * outFeatures / median.TotalSeconds;
            Measurement.Print(
                asJson,
                ("bench", "linear"),
                ("case", name),
                ("rows", rows),
                ("in", inFeatures),
                ("out", outFeatures),
                ("backend", backend.Description),
                ("gflops", Measurement.Rounded(gflops)),
                ("peak_gflops", Measurement.Rounded(peak)),
                ("fraction_of_peak", Measurement.Rounded(gflops / peak)));
        }
    }

    /// <summary>Floating-point operations a second of multiply-adds on registers, on all threads, in 10^9.</summary>
    /// <returns>Null for a device on which nobody can measure that.</returns>
    public static double? PeakGflops(TensorBackend backend)
    {
        if (backend is not CpuBackend processors)
            return null;
        const int repeats = 4_000_000;
        var operations = 0L;
        var median = Measurement.Median(7, () => operations = processors.RunMultiplyAdds(repeats));
        return operations * 1e-9 / median.TotalSeconds;
    }
}
