using Serving.Inference.Generation;
using Serving.Inference.Tests.Classification;
using Serving.Testing;
using static Serving.Inference.Tests.Generation.GenerationFixture;

namespace Serving.Inference.Tests.Generation;

/// <summary>What steps allocate on the managed heap.</summary>
[Collection(nameof(AloneCollection))]
public sealed class GenerationAllocationTests
{
    [Fact]
    public async Task Steps_OnceWarm_AllocateForWhatTheyStreamAlone()
    {
        using var fixture = new GenerationFixture();
        var noText = fixture.Decoder.Config.Vocab - 1; // The id that the tokenizer lacks.
        await BytesAsync('@', tokens: 50);

        var shown = (await BytesAsync('@', tokens: 50) - await BytesAsync('@', tokens: 10)) / 40.0;
        var hidden = (await BytesAsync(noText, tokens: 50) - await BytesAsync(noText, tokens: 10)) / 40.0;

        AllocationBudget.AssertWithin("engine.generate.bytesPerPart", shown);
        AllocationBudget.AssertWithin("engine.generate.bytesPerHiddenToken", hidden);

        // Of the lane for one request: the least of some, since counts jump (see Allocations).
        async Task<long> BytesAsync(int token, int tokens)
        {
            var least = long.MaxValue;
            for (var run = 0; run < 30; run++)
            {
                fixture.Backend.ForgetPasses(); // So that its list does not grow.
                var before = fixture.Lanes.AllocatedBytes;
                await fixture.RunAsync(Request(
                    "the cat",
                    new() { MaxTokens = tokens, LogitBias = new Dictionary<int, double> { [token] = 100 } }));
                least = Math.Min(least, fixture.Lanes.AllocatedBytes - before);
            }

            return least;
        }
    }
}
