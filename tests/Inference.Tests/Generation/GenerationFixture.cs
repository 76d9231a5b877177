using System.Text.Json.Nodes;
using Serving.Decoding;
using Serving.Inference.Generation;
using Serving.Inference.Scheduling;
using Serving.Models.Gpt2;
using Serving.Testing;

namespace Serving.Inference.Tests.Generation;

/// <summary>An engine over a small random GPT-2, whose steps a test can hold up.</summary>
internal sealed class GenerationFixture : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public GenerationFixture(
        GenerationOptions? options = null, Action<JsonObject>? config = null, bool hasLanes = false)
    {
        var folder = RandomGpt2.Write(ModelFolder, change: config);
        Backend = new(hasLanes);
        Decoder = folder.LoadDecoder(Backend);
        Lanes = new(Backend, Time);
        Engine = new(Lanes, Decoder, folder.LoadTokenizer(), options ?? new(), Time);
    }

    public string ModelFolder => _folder.At("model");

    public GatedBackend Backend { get; }

    public LanePool Lanes { get; }

    public ManualTime Time { get; } = new();

    public Gpt2Decoder Decoder { get; }

    public GenerationEngine Engine { get; }

    /// <summary>Reads all that is generated.</summary>
    public Task<List<GenerationPart>> RunAsync(GenerationRequest request, CancellationToken cancelled = default) =>
        ReadAsync(Engine.Generate(request, cancelled)).Within();

    public static async Task<List<GenerationPart>> ReadAsync(GenerationStream generation)
    {
        var parts = new List<GenerationPart>();
        await foreach (var part in generation.ReadAllAsync())
            parts.Add(part);
        return parts;
    }

    /// <summary>The text of one answer.</summary>
    public static string TextOf(IEnumerable<GenerationPart> parts, int answer = 0) =>
        string.Concat(parts.Where(part => part.Answer == answer).Select(part => part.Text));

    public static GenerationRequest Request(string prompt, SamplingOptions? sampling = null, string caller = "") =>
        new() { Prompt = prompt, Sampling = sampling ?? new() { MaxTokens = 8 }, Caller = caller, IgnoresEnd = true };

    /// <summary>Holds the lane up in a step of a request that runs on its own, until the backend opens.</summary>
    /// <returns>All of that request.</returns>
    public async Task<Task<List<GenerationPart>>> HoldAsync()
    {
        Backend.Close();
        var running = RunAsync(Request("x", new() { MaxTokens = 1 }));
        await Backend.PassBeganAsync();
        return running;
    }

    /// <summary>Nothing of any request is left in the engine.</summary>
    public Task NothingIsLeftAsync() => Eventually.TrueAsync(
        () => (Engine.QueuedRequests, Engine.QueuedTokens, Engine.RunningSequences, Engine.UsedBlocks) == default,
        "the engine is empty");

    public void Dispose()
    {
        Backend.Open();
        Engine.Dispose();
        Lanes.Dispose();
        Decoder.Dispose();
        Backend.Dispose();
        _folder.Dispose();
    }
}
