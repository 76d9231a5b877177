using Serving.Backends;
using Serving.Tensors.Tests.Conformance;

namespace Serving.Tensors.Torch.Tests;

[NeedsLibtorch]
public sealed class TorchBackendTests
{
    private const int Features = 40;
    private const int MaskedBytes = Features * Features * sizeof(float);

    [Fact]
    public void Factory_TorchCpu_GivesABackendThatComputes()
    {
        using var backend = BackendFactory.Create(
            BackendFactory.TorchProcessor, new() { Threads = 1, TorchLibraries = Libtorch.Folder });
        using var x = Values.Tensor(backend, 1, 3, 1, 2, 3);
        backend.Apply(Elementwise.Add, x, x, x);
        Assert.Equal([2, 4, 6], x.ToArray());
        Assert.Matches(@"^torch-cpu, libtorch 2\.10\.\d+, 1 thread$", backend.Description);
    }

    [Fact]
    public void Factory_CudaWhereThereIsNone_SaysWhatIsMissing()
    {
        var refusal = Assert.Throws<DeviceUnavailableException>(
            () => BackendFactory.Create("cuda:1", new() { TorchLibraries = Libtorch.Folder }));
        Assert.Equal($"The device cuda:1 can't be used. {CudaDriver.Problem}", refusal.Message);
        refusal = Assert.Throws<DeviceUnavailableException>(
            () => TorchDevices.Create("cuda:1", Libtorch.Folder, new()));
        Assert.StartsWith(
            "The device cuda:1 needs CUDA, which libtorch in ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Allocate_MoreThanThereIs_IsRefused_AndTheNextSucceeds()
    {
        using var backend = Libtorch.Backend();
        var refusal = Assert.Throws<DeviceMemoryException>(() => backend.Allocate(int.MaxValue, 1 << 20));
        Assert.StartsWith("cpu has no room for ", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(0, backend.AllocatedBytes);
        using var small = backend.Allocate(2, 3);
    }

    [Fact]
    public void MaskedWeights_AreKeptWithinTheirBytes_TheOnesUsedLast()
    {
        using var backend = Libtorch.Backend(new() { MaskedWeightBytes = 2 * MaskedBytes });
        using var layer = new Layer(backend);
        layer.Run(0, 1);
        Assert.Equal(2 * MaskedBytes, backend.KeptBytes);
        var before = layer.Run(1, 2, 3); // More than there is room for.
        Assert.Equal(2 * MaskedBytes, backend.KeptBytes);
        Assert.Equal(before, layer.Run(1, 2, 3));
        backend.Trim();
        Assert.Equal(0, backend.KeptBytes);
    }

    [Fact]
    public void MaskedWeights_GoWithTheirMaskAndTheirWeight()
    {
        using var backend = Libtorch.Backend(new() { MaskedWeightBytes = 8 * MaskedBytes });
        using var layer = new Layer(backend);
        layer.Run(0, 1, 2);
        Assert.Equal(3 * MaskedBytes, backend.KeptBytes);
        layer.Masks.Masks[0].Write(0, Features, new byte[Features * Features / 8]);
        Assert.Equal(2 * MaskedBytes, backend.KeptBytes);
        Assert.All(layer.Run(0), value => Assert.Equal(0, value)); // All is dropped.
        layer.Masks.Dispose();
        Assert.Equal(0, backend.KeptBytes);
        using var other = new Layer(backend);
        other.Run(0);
        other.Weight.Dispose();
        Assert.Equal(0, backend.KeptBytes);
    }

    [Fact]
    public void Operations_OnSeveralThreads_TakeTurns()
    {
        using var backend = Libtorch.Backend(new() { MaskedWeightBytes = 2 * MaskedBytes });
        using var layer = new Layer(backend);
        var expected = layer.Run(0, 1, 2);
        Parallel.For(0, 100, _ => Assert.Equal(expected, layer.Run(0, 1, 2)));
    }

    /// <summary>A linear layer under four masks.</summary>
    private sealed class Layer : IDisposable
    {
        private readonly TorchBackend _backend;
        private readonly Tensor _x;

        public Layer(TorchBackend backend)
        {
            _backend = backend;
            _x = Values.Tensor(backend, 1, Features, Values.Random(Features, seed: 1));
            using var dense = Values.Tensor(backend, Features, Features, Values.Random(Features * Features, seed: 2));
            Weight = backend.PackWeight([dense]);
            Masks = backend.AllocateMasks([.. Enumerable.Repeat((Features, Features), 4)]);
            foreach (var (mask, i) in Masks.Masks.Select((mask, i) => (mask, i)))
                mask.Write(0, Features, Values.RandomBits(Features * Features, keep: 0.5, seed: i));
        }

        public PackedWeight Weight { get; }

        public MaskSet Masks { get; }

        /// <summary>A row under each of some masks.</summary>
        public float[] Run(params int[] masks)
        {
            var results = new List<float>();
            foreach (var mask in masks)
            {
                using var output = _backend.Allocate(1, Features);
                _backend.Linear(
                    _x, Weight, default, [new(1, Masks.Masks[mask])], Activation.None, default, output);
                results.AddRange(output.ToArray());
            }

            return [.. results];
        }

        public void Dispose()
        {
            _x.Dispose();
            Weight.Dispose();
            Masks.Dispose();
        }
    }
}
