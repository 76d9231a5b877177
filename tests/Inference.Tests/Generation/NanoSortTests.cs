using Serving.Inference.Generation;
using Serving.Inference.Scheduling;
using Serving.Models.Gpt2;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Text;
using Serving.Text.Bpe;
using Serving.Text.Trainers;
using static Serving.Inference.Tests.Generation.GenerationFixture;

namespace Serving.Inference.Tests.Generation;

/// <summary>A trained model through the whole engine.</summary>
public sealed class NanoSortTests
{
    [SharedFact(NanoSort.Model)]
    public async Task Generate_SixLetters_AreSorted()
    {
        using var folder = new TemporaryFolder();
        NanoSort.Write(folder.Path);
        using var backend = new CpuBackend(2);
        using var decoder = new Gpt2Folder(folder.Path).LoadDecoder(backend);
        using var lanes = new LanePool(backend, TimeProvider.System);
        using var engine = new GenerationEngine(lanes, decoder, Letters(), new(), TimeProvider.System);
        var random = new Random(3);
        string[] prompts =
            [.. Enumerable.Range(0, 60).Select(_ => new string(random.GetItems<char>("abc", 6)))];

        var answers = await Task.WhenAll(prompts.Select(prompt => ReadAsync(
            engine.Generate(Request(prompt, new() { Temperature = 0, MaxTokens = 6 }))))).Within();

        Assert.Equal(prompts.Select(prompt => new string([.. prompt.Order()])), answers.Select(parts => TextOf(parts)));
    }

    /// <summary>The model's three tokens are a, b and c; those of the other bytes are none of its.</summary>
    private static BpeTokenizer Letters()
    {
        var all = BpeTrainer.Train([], new() { VocabularySize = 257 }).Vocabulary.Tokens;
        string[] letters = ["a", "b", "c"];
        return new(new Vocabulary([.. letters, .. all.Except(letters)]), merges: []);
    }
}
