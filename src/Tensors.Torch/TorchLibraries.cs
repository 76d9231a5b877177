using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Finds, checks and loads the native libraries, once in a process, before TorchSharp does.</summary>
public static class TorchLibraries
{
    /// <summary>The version of libtorch whose interface TorchSharp's own library is built for.</summary>
    public const string WantedVersion = "2.10";

    /// <summary>
    /// Names another version to take, in the environment: for trying one whose interface may be the same as far as it
    /// is used. Where it is not, the process may end at any operation.
    /// </summary>
    public const string VersionVariable = "SERVING_TORCH_VERSION";

    private const string Processor = "libtorch_cpu.so";
    private const string OfTorchSharp = "libLibTorchSharp.so";
    private const string NameInImports = "LibTorchSharp";
    private const string Remedy =
        "build with -p:Torch=cpu or -p:Torch=cuda, or name the lib folder of a libtorch, or torch/lib of a Python "
        + "installation, in Server:TorchLibraries";

    /// <summary>In this order: each needs those before it.</summary>
    private static readonly string[] OfTorch = ["libc10.so", Processor, "libtorch.so"];

    private static readonly Lock Gate = new();
    private static nint _torchSharp;

    /// <summary>Where libtorch was loaded from; null before.</summary>
    public static string? Folder { get; private set; }

    /// <summary>The version that was loaded; null before.</summary>
    public static string? Version { get; private set; }

    /// <summary>Loads the libraries; once they are loaded, it does nothing.</summary>
    /// <param name="folder">
    /// libtorch, or its lib folder, or torch/lib of a Python installation; null for what lies beside the program.
    /// </param>
    /// <exception cref="DeviceUnavailableException">
    /// Something is missing or does not fit; the message says what, and how to get it.
    /// </exception>
    public static void Load(string? folder)
    {
        lock (Gate)
        {
            if (Folder is not null)
                return;
            if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
                throw new DeviceUnavailableException("Devices of libtorch need Linux on x64; the device cpu does not.");
            var torchFolder = FindTorch(folder);
            foreach (var name in OfTorch)
            {
                var library = LoadFrom(torchFolder, name);
                if (name == Processor)
                    Version = CheckVersion(torchFolder, NumberOf(library));
            }

            _torchSharp = LoadTorchSharp(torchFolder);
            NativeLibrary.SetDllImportResolver(typeof(torch).Assembly, Resolve);
            torch.InitializeDeviceType(DeviceType.CPU);
            Folder = torchFolder;
        }
    }

    /// <summary>The folder of libtorch below or at the one that was named, or beside the program.</summary>
    internal static string FindTorch(string? folder)
    {
        if (folder is null)
        {
            return Beside.FirstOrDefault(path => File.Exists(Path.Combine(path, Processor)))
                ?? throw new DeviceUnavailableException($"libtorch is not here: {Remedy}.");
        }

        string[] candidates = [folder, Path.Combine(folder, "lib"), Path.Combine(folder, "torch", "lib")];
        return candidates.FirstOrDefault(path => File.Exists(Path.Combine(path, Processor)))
            ?? throw new DeviceUnavailableException($"There is no {Processor} in '{folder}': {Remedy}.");
    }

    private static string[] Beside =>
        [AppContext.BaseDirectory, Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native")];

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        name == NameInImports ? _torchSharp : 0;

    private static nint LoadFrom(string folder, string name)
    {
        try
        {
            return NativeLibrary.Load(Path.Combine(folder, name));
        }
        catch (Exception refusal) when (refusal is DllNotFoundException or BadImageFormatException)
        {
            throw new DeviceUnavailableException($"{name} of '{folder}' can't be loaded: {FirstLine(refusal)}");
        }
    }

    /// <summary>A version in words, if it is the one that is wanted.</summary>
    /// <param name="number">Its parts from the highest byte down; null for one that does not say.</param>
    internal static string CheckVersion(string folder, ulong? number)
    {
        var version = number is { } parts
            ? $"{parts >> 56}.{(parts >> 48) & 0xFF}.{(parts >> 40) & 0xFF}"
            : "older than 2.9";
        var wanted = Environment.GetEnvironmentVariable(VersionVariable) is { Length: > 0 } named
            ? named
            : WantedVersion;
        if (version.StartsWith(wanted + ".", StringComparison.Ordinal))
            return version;
        throw new DeviceUnavailableException(
            $"libtorch in '{folder}' is {version}; TorchSharp {TorchSharpVersion} needs {wanted}: {Remedy}.");
    }

    private static ulong? NumberOf(nint library) =>
        NativeLibrary.TryGetExport(library, "aoti_torch_abi_version", out var function)
            ? Marshal.GetDelegateForFunctionPointer<AbiVersion>(function)()
            : null;

    private static string TorchSharpVersion => typeof(torch).Assembly.GetName().Version!.ToString(3);

    private static nint LoadTorchSharp(string torchFolder)
    {
        Exception? refusal = null;
        foreach (var path in ((string[])[torchFolder, .. Beside]).Select(path => Path.Combine(path, OfTorchSharp)))
        {
            if (!File.Exists(path))
                continue;
            try
            {
                return NativeLibrary.Load(path);
            }
            catch (Exception wrong) when (wrong is DllNotFoundException or BadImageFormatException)
            {
                refusal = wrong;
            }
        }

        if (refusal is null)
        {
            throw new DeviceUnavailableException(
                $"TorchSharp's library {OfTorchSharp} is not beside the program: build with -p:Torch=cpu, cuda, or "
                + "external for a libtorch of your own.");
        }

        throw new DeviceUnavailableException(refusal.Message.Contains("GLIBCXX_", StringComparison.Ordinal)
            ? $"{OfTorchSharp} needs a newer libstdc++ than this system's, GLIBCXX_3.4.32 of GCC 13: use Ubuntu 24.04, "
                + "Debian 13 or a later one."
            : $"{OfTorchSharp} can't be loaded: {FirstLine(refusal)}");
    }

    private static string FirstLine(Exception refusal)
    {
        var lines = refusal.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return lines.FirstOrDefault(line => line.Contains(".so", StringComparison.Ordinal)) ?? lines[0];
    }

    private delegate ulong AbiVersion();
}
