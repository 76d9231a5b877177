using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Serving.Backends;

/// <summary>The C and C++ libraries of this system, which native libraries of devices need.</summary>
public static partial class SystemLibraries
{
    /// <summary>The version of glibc that libtorch is built for.</summary>
    public static Version NeededGlibc { get; } = new(2, 28);

    /// <summary>The version of libstdc++'s symbols that TorchSharp's library is built for, of GCC 13.</summary>
    public static Version NeededGlibcxx { get; } = new(3, 4, 32);

    /// <summary>The version of glibc; null if the C library is another.</summary>
    public static Version? Glibc { get; } = ReadGlibc();

    /// <summary>The newest GLIBCXX symbols of libstdc++; null without one.</summary>
    public static Version? Glibcxx { get; } = ReadGlibcxx();

    /// <summary>The newest of the versions that a library's bytes name.</summary>
    internal static Version? Newest(string contents) => NamesOfVersions().Matches(contents)
        .Select(match => Version.Parse(match.Groups["version"].ValueSpan))
        .Max();

    private static Version? ReadGlibc()
    {
        try
        {
            return Version.Parse(Marshal.PtrToStringUTF8(GlibcVersion())!);
        }
        catch (Exception exception)
            when (exception is DllNotFoundException or EntryPointNotFoundException or FormatException)
        {
            return null;
        }
    }

    private static Version? ReadGlibcxx()
    {
        const string library = "libstdc++.so.6";
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad(library, out _))
            return null;
        var path = File.ReadLines("/proc/self/maps")
            .Select(line => line[(line.IndexOf('/', StringComparison.Ordinal) + 1)..])
            .FirstOrDefault(path => path.Contains(library, StringComparison.Ordinal));
        return path is null ? null : Newest(File.ReadAllText($"/{path}", System.Text.Encoding.Latin1));
    }

    [GeneratedRegex(
        @"GLIBCXX_(?<version>[0-9]+\.[0-9]+\.[0-9]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex NamesOfVersions();

    [LibraryImport("libc", EntryPoint = "gnu_get_libc_version")]
    private static partial nint GlibcVersion();
}
