using System.Globalization;
using System.Net;
using Serving.Backends;
using Serving.Catalog.Resident;
using Serving.Tensors;
using Serving.Threading;

namespace Serving.Server.Configuration;

/// <summary>
/// The server's settings, section "Server" of appsettings.json, SERVER__PORT and the like in the environment, or
/// --Server:Port and the like on the command line; the last of these wins.
/// </summary>
public sealed class ServerOptions
{
    public const string Section = "Server";

    private const int DefaultHttpPort = 5051;

    /// <summary>The address to listen on; 127.0.0.1 by default, 0.0.0.0 for all.</summary>
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>0 to 65535; 5050 by default, 0 takes a free one.</summary>
    public int Port { get; set; } = 5050;

    /// <summary>
    /// The port for JSON and gRPC-Web over HTTP/1.1: 0 to 65535, 0 takes a free one; -1 for none. 5051 by default, a
    /// free one if <see cref="Port"/> is.
    /// </summary>
    public int? HttpPort { get; set; }

    /// <summary>
    /// The origins whose pages may call the server from a browser, "https://example.org" each, or "*" for all; none by
    /// default.
    /// </summary>
    public string[] CorsOrigins { get; set; } = [];

    /// <summary>Whether /metrics on the HTTP port gives metrics to Prometheus; false by default.</summary>
    public bool Metrics { get; set; }

    /// <summary>
    /// A PEM certificate; with it the server speaks TLS, without it plain HTTP/2 with prior knowledge.
    /// </summary>
    public string? CertificateFile { get; set; }

    /// <summary>The PEM private key of the certificate.</summary>
    public string? CertificateKeyFile { get; set; }

    /// <summary>The largest request message in bytes, after decompression; 4 MiB by default.</summary>
    public int MaxReceiveMessageBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>How long calls in flight may go on when the server stops; 30 s by default.</summary>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long health says NOT_SERVING before connections are closed when the server stops; none by default.
    /// </summary>
    public TimeSpan DrainDelay { get; set; }

    /// <summary>The data root, which holds models/ and tasks/; ./data by default. Made if it is missing.</summary>
    public string Data { get; set; } = "data";

    /// <summary>
    /// Whether a data root without a models folder begins with the model and tasks that the product ships; true by
    /// default.
    /// </summary>
    public bool Demo { get; set; } = true;

    /// <summary>The models to load at the start, by name; null for all in the model folders.</summary>
    public string[]? Models { get; set; }

    /// <summary>How often the model and task folders are read again; 0, the default, for never.</summary>
    public TimeSpan WatchInterval { get; set; }

    /// <summary>What computes: cpu, the default, or a device of libtorch: torch-cpu, cuda, cuda:1 and so on.</summary>
    public string Device { get; set; } = BackendFactory.Default;

    /// <summary>Devices of models that have one of their own, by the models' names; none by default.</summary>
    public Dictionary<string, string> ModelDevices { get; set; } = new(StringComparer.Ordinal);

    /// <summary>
    /// What models and jobs together may take of a device other than cpu, in bytes: one that would take more is
    /// refused, or waits. 0, the default, for no limit; then jobs run there one after another.
    /// </summary>
    public long DeviceMemoryBytes { get; set; }

    /// <summary>
    /// A folder with libtorch for its devices, such as torch/lib of a Python installation; none by default: what lies
    /// beside the server.
    /// </summary>
    public string? TorchLibraries { get; set; }

    /// <summary>Threads that compute, shared by all models; 0, the default, for one per processor.</summary>
    public int Threads { get; set; }

    /// <summary>
    /// Threads of a training job, kept to as many processors; 0, the default, for half the processors, at least one, so
    /// that serving finds the others free.
    /// </summary>
    public int TrainingThreads { get; set; }

    /// <summary>
    /// The rank of training jobs: idle, low or normal. Idle by default; low in a container, whose neighbors may never
    /// leave a processor idle. Jobs of normal rank also compute while requests are answered.
    /// </summary>
    public ProcessRank? TrainingRank { get; set; }

    /// <summary>How weights of encoders are kept in memory: Float32, the default, BFloat16 or Int8.</summary>
    public WeightFormat WeightFormat { get; set; }

    /// <summary>How weights of models that write text are kept: BFloat16, the default, Float32 or Int8.</summary>
    public WeightFormat GeneratorWeightFormat { get; set; } = WeightFormat.BFloat16;

    /// <summary>The most inputs of a call; 256 by default.</summary>
    public int MaxInputs { get; set; } = 256;

    /// <summary>The most tasks of a call; 64 by default.</summary>
    public int MaxTasks { get; set; } = 64;

    /// <summary>The most tokens of a batch; 1024 by default.</summary>
    public int MaxBatchTokens { get; set; } = 1024;

    /// <summary>The most texts that a model writes at a time; 32 by default.</summary>
    public int MaxSequences { get; set; } = 32;

    /// <summary>The most tokens of a step of theirs; 128 by default. Longer prompts are read in parts.</summary>
    public int MaxStepTokens { get; set; } = 128;

    /// <summary>
    /// The most tokens whose keys and values a model that writes keeps, at least as many as it reads; 8192 by default.
    /// </summary>
    public int MaxCachedTokens { get; set; } = 8192;

    /// <summary>The most inputs of calls that wait at a model, streams aside; 256 by default.</summary>
    public int MaxQueuedRequests { get; set; } = 256;

    /// <summary>The most tokens of theirs that wait, an input counted once for each task; 65536 by default.</summary>
    public int MaxQueuedTokens { get; set; } = 65_536;

    /// <summary>The most inputs of one stream that are in work at a time; 128 by default.</summary>
    public int MaxStreamInputsInFlight { get; set; } = 128;

    /// <summary>The largest file of an imported task version, in bytes; 256 MiB by default.</summary>
    public long MaxTaskFileBytes { get; set; } = 256L * 1024 * 1024;

    /// <summary>The files of an imported model together, in bytes; 8 GiB by default.</summary>
    public long MaxModelBytes { get; set; } = 8L << 30;

    /// <summary>The largest dataset, in bytes, as it is sent and unzipped; 1 GiB by default.</summary>
    public long MaxDatasetBytes { get; set; } = 1L << 30;

    /// <summary>What all datasets together may take on disk, in bytes; 20 GiB by default.</summary>
    public long MaxDatasetsBytes { get; set; } = 20L << 30;

    /// <summary>What all jobs together may take on disk before another is taken, in bytes; 20 GiB by default.</summary>
    public long MaxJobsBytes { get; set; } = 20L << 30;

    /// <summary>What <see cref="HttpPort"/> comes to; null for none.</summary>
    internal int? ResolvedHttpPort => HttpPort switch
    {
        -1 => null,
        null => Port == 0 ? 0 : DefaultHttpPort,
        _ => HttpPort
    };

    /// <summary>
    /// What <see cref="TrainingRank"/> comes to. The base images of .NET say that they are containers.
    /// </summary>
    internal ProcessRank ResolvedTrainingRank => TrainingRank
        ?? (Environment.GetEnvironmentVariable("DOTNET_RUNNING_IN_CONTAINER") == "true"
            ? ProcessRank.Low
            : ProcessRank.Idle);

    /// <summary>The part of them that the device needs.</summary>
    internal BackendOptions ForDevice() => new() { Threads = Threads, TorchLibraries = TorchLibraries };

    /// <summary>What may be used of a device's memory; null for no limit.</summary>
    internal long? MemoryOf(string device) =>
        device == BackendFactory.Default || DeviceMemoryBytes == 0 ? null : DeviceMemoryBytes;

    /// <summary>The part of them that hosts of models need.</summary>
    internal ModelHostOptions ForHosts() => new()
    {
        WeightFormat = WeightFormat,
        GeneratorWeightFormat = GeneratorWeightFormat,
        MaxBatchTokens = MaxBatchTokens,
        MaxSequences = MaxSequences,
        MaxStepTokens = MaxStepTokens,
        MaxCachedTokens = MaxCachedTokens,
        MaxQueuedRequests = MaxQueuedRequests,
        MaxQueuedTokens = MaxQueuedTokens
    };

    /// <exception cref="ServerOptionsException">A setting is wrong; the message names its key.</exception>
    public void Validate()
    {
        Require(IPAddress.TryParse(Address, out _), nameof(Address), Address, "an IP address, 0.0.0.0 for all");
        Require(Port is >= 0 and <= ushort.MaxValue, nameof(Port), Port, "0 to 65535");
        Require(
            HttpPort is null or (>= -1 and <= ushort.MaxValue),
            nameof(HttpPort),
            HttpPort,
            "0 to 65535, or -1 for none");
        Require(
            ResolvedHttpPort is null or 0 || ResolvedHttpPort != Port,
            nameof(HttpPort),
            ResolvedHttpPort,
            $"another port than {Section}:{nameof(Port)}, or -1 for none");
        foreach (var origin in CorsOrigins)
            Require(IsOrigin(origin), nameof(CorsOrigins), origin, "origins such as https://example.org, or *");
        RequirePositive(nameof(MaxReceiveMessageBytes), MaxReceiveMessageBytes);
        Require(
            ShutdownTimeout >= TimeSpan.Zero, nameof(ShutdownTimeout), ShutdownTimeout, "a time such as 00:00:30");
        Require(DrainDelay >= TimeSpan.Zero, nameof(DrainDelay), DrainDelay, "a time such as 00:00:05");
        Require(Data.Length > 0 && !File.Exists(Data), nameof(Data), Data, "a folder");
        Require(WatchInterval >= TimeSpan.Zero, nameof(WatchInterval), WatchInterval, "a time such as 00:00:05");
        Require(BackendFactory.IsName(Device), nameof(Device), Device, BackendFactory.Help);
        foreach (var (model, device) in ModelDevices)
            Require(BackendFactory.IsName(device), $"{nameof(ModelDevices)}:{model}", device, BackendFactory.Help);
        Require(DeviceMemoryBytes >= 0, nameof(DeviceMemoryBytes), DeviceMemoryBytes, "0 or more");
        Require(
            TorchLibraries is null || Directory.Exists(TorchLibraries), nameof(TorchLibraries), TorchLibraries,
            "a folder with libtorch");
        Require(Threads is >= 0 and <= 1024, nameof(Threads), Threads, "0 to 1024");
        Require(TrainingThreads is >= 0 and <= 1024, nameof(TrainingThreads), TrainingThreads, "0 to 1024");
        Require(
            TrainingRank is null || Enum.IsDefined(TrainingRank.Value), nameof(TrainingRank), TrainingRank,
            "Idle, Low or Normal");
        Require(Enum.IsDefined(WeightFormat), nameof(WeightFormat), WeightFormat, "Float32, BFloat16 or Int8");
        Require(
            Enum.IsDefined(GeneratorWeightFormat), nameof(GeneratorWeightFormat), GeneratorWeightFormat,
            "Float32, BFloat16 or Int8");
        RequirePositive(nameof(MaxInputs), MaxInputs);
        RequirePositive(nameof(MaxTasks), MaxTasks);
        RequirePositive(nameof(MaxBatchTokens), MaxBatchTokens);
        RequirePositive(nameof(MaxSequences), MaxSequences);
        Require(
            MaxStepTokens >= MaxSequences, nameof(MaxStepTokens), MaxStepTokens,
            $"at least {Section}:{nameof(MaxSequences)}, {MaxSequences}");
        RequirePositive(nameof(MaxCachedTokens), MaxCachedTokens);
        RequirePositive(nameof(MaxQueuedRequests), MaxQueuedRequests);
        RequirePositive(nameof(MaxQueuedTokens), MaxQueuedTokens);
        RequirePositive(nameof(MaxStreamInputsInFlight), MaxStreamInputsInFlight);
        RequirePositive(nameof(MaxTaskFileBytes), MaxTaskFileBytes);
        RequirePositive(nameof(MaxModelBytes), MaxModelBytes);
        RequirePositive(nameof(MaxDatasetBytes), MaxDatasetBytes);
        RequirePositive(nameof(MaxDatasetsBytes), MaxDatasetsBytes);
        RequirePositive(nameof(MaxJobsBytes), MaxJobsBytes);
        Require(
            CertificateFile is null == CertificateKeyFile is null,
            CertificateFile is null ? nameof(CertificateFile) : nameof(CertificateKeyFile),
            value: null,
            "set, too: a certificate and its key go together");
        RequireFile(nameof(CertificateFile), CertificateFile);
        RequireFile(nameof(CertificateKeyFile), CertificateKeyFile);
    }

    private static bool IsOrigin(string origin) => origin == "*"
        || (Uri.TryCreate(origin, UriKind.Absolute, out var uri)
            && uri.Scheme is "http" or "https"
            && uri.GetLeftPart(UriPartial.Authority) == origin);

    private static void RequirePositive(string key, long value) => Require(value > 0, key, value, "a number above 0");

    private static void RequireFile(string key, string? path) =>
        Require(path is null || File.Exists(path), key, path, "a file that exists");

    private static void Require(bool isValid, string key, object? value, string needed)
    {
        if (!isValid)
        {
            throw new ServerOptionsException(string.Create(
                CultureInfo.InvariantCulture, $"{Section}:{key} is {value ?? "not set"}; it must be {needed}."));
        }
    }
}

/// <summary>A setting is wrong.</summary>
public sealed class ServerOptionsException(string message, Exception? innerException = null)
    : Exception(message, innerException);
