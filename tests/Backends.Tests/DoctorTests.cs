namespace Serving.Backends.Tests;

public sealed class DoctorTests
{
    [Fact]
    public void Examine_SaysASentenceOfEachThing()
    {
        var sentences = Doctor.Examine(torchLibraries: null).ToList();
        Assert.Equal(5 + CudaDriver.Gpus.Count, sentences.Count);
        Assert.All(sentences, sentence => Assert.EndsWith(".", sentence, StringComparison.Ordinal));
        Assert.Contains("; the device cpu runs on cpu ", sentences[0], StringComparison.Ordinal);
        Assert.StartsWith("The device torch-cpu is not in this build: ", sentences[3], StringComparison.Ordinal);
    }

    [Fact]
    public void WhyNot_SaysWhatCreateRefuses()
    {
        Assert.Null(Doctor.WhyNot("cpu", torchLibraries: null));
        Assert.StartsWith(
            "The device cuda is not in this build: ", Doctor.WhyNot("cuda", torchLibraries: null),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "The C library is not glibc: ")]
    [InlineData("2.27", "glibc is 2.27; libtorch needs 2.28 or later")]
    [InlineData("2.28", "glibc is 2.28; libtorch needs 2.28: it will do.")]
    public void Glibc_OldOrMissing_IsSaid(string? version, string expected) =>
        Assert.StartsWith(
            expected, Doctor.OfGlibc(version is null ? null : Version.Parse(version)), StringComparison.Ordinal);

    [Theory]
    [InlineData(null, "There is no libstdc++ here")]
    [InlineData("3.4.30", "libstdc++ has GLIBCXX_3.4.30; TorchSharp's library needs GLIBCXX_3.4.32 of GCC 13: use ")]
    [InlineData("3.4.33", "libstdc++ has GLIBCXX_3.4.33; TorchSharp's library needs GLIBCXX_3.4.32: it will do.")]
    public void Glibcxx_OldOrMissing_IsSaid(string? version, string expected) =>
        Assert.StartsWith(
            expected, Doctor.OfGlibcxx(version is null ? null : Version.Parse(version)), StringComparison.Ordinal);

    [Fact]
    public void Glibcxx_IsTheNewestThatTheLibraryNames()
    {
        Assert.Equal(
            new Version(3, 4, 30), SystemLibraries.Newest("\0GLIBCXX_3.4.9\0GLIBCXX_3.4.30\0GLIBCXX_3.4\0CXXABI_1.3"));
        Assert.Null(SystemLibraries.Newest("CXXABI_1.3"));
    }

    [Fact]
    public void Gpu_IsNamedWithItsMemory() => Assert.Equal(
        "cuda:1 is a NVIDIA H100 with 79.5 GiB.",
        Doctor.OfGpu(new("cuda:1", "NVIDIA H100", (long)(79.5 * (1L << 30)), "0000:01:00.0")));

    [Fact]
    public void Canonical_GivesTheFirstCudaDeviceItsNumber() =>
        Assert.Equal(("cuda:0", "cuda:0", "cpu"), (BackendFactory.Canonical("cuda"), BackendFactory.Canonical("cuda:0"),
            BackendFactory.Canonical("cpu")));
}
