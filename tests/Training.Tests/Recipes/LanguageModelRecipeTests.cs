using Serving.Models;
using Serving.Models.Decoders;
using Serving.Models.Kinds;
using Serving.Models.Lstm;
using Serving.Tensors;
using Serving.Training.LanguageModels;
using Serving.Training.Recipes;
using Serving.Training.Settings;
using Serving.Training.TextMetrics;

namespace Serving.Training.Tests.Recipes;

/// <summary>Language models as whole jobs.</summary>
public sealed class LanguageModelRecipeTests : RecipeFixture
{
    private const int Sequence = 24;

    private static LanguageModelRecipe Recipe => new()
    {
        Datasets = ["corpus"],
        HeldOutDocuments = 20,
        VocabularySize = 320,
        Hidden = 32,
        Layers = 2,
        Heads = 2,
        SequenceLength = Sequence,
        Settings = new() { Epochs = 3, BatchSize = 16, LearningRate = 3e-3f, Dropout = 0.1f, Seed = 1 }
    };

    [Theory]
    [InlineData(Architecture.Gpt2, 30)]
    [InlineData(Architecture.Lstm, 50)]
    public void Model_ThatIsLearned_PredictsHeldOutText_AsItIsServed(Architecture architecture, double most)
    {
        var result = Run("lm", Recipe with { Architecture = architecture });

        var folder = Folder(result);
        using var decoder = folder.LoadDecoder(Backend);
        var tokenizer = folder.LoadTokenizer();
        Assert.Equal((32, 2, Sequence), (decoder.Config.Hidden, decoder.Config.Layers, decoder.Config.MaxPositions));
        Assert.Equal(tokenizer.Vocabulary.Count - 1, decoder.Config.EndToken);
        Assert.InRange(result.Metrics["perplexity"], 1, most); // Of about 320 tokens; the texts repeat themselves.
        Assert.Equal(Math.Exp(result.Metrics["loss"]), result.Metrics["perplexity"], 1e-9);

        var texts = CorpusRows.Read(this, ["corpus"]).Take(20).Select(row => row.Text).ToList();
        int[] stream =
        [
            decoder.Config.EndToken!.Value,
            .. texts.SelectMany(text => tokenizer.Encode(text).Append(decoder.Config.EndToken.Value))
        ];
        var sum = LossOf(decoder, stream);
        Assert.Equal(sum / (stream.Length - 1), result.Metrics["loss"], 1e-4);
        Assert.Equal(
            Math.Exp(sum / texts.Sum(text => text.Length + 1)), result.Metrics["character_perplexity"], 1e-3);
    }

    [Theory]
    [InlineData(Tokenization.WordPiece)]
    [InlineData(Tokenization.Word)]
    [InlineData(Tokenization.Syllable)]
    [InlineData(Tokenization.Character)]
    public void Tokenizations_AreComparedByCharacters(Tokenization tokenization)
    {
        var recipe = Recipe with { Tokenization = tokenization };

        var result = Run("lm", recipe with { Settings = recipe.Settings with { Epochs = 1 } });

        var tokenizer = Folder(result).LoadTokenizer();
        var texts = CorpusRows.Read(this, ["corpus"]).Take(20).Select(row => row.Text).ToList();
        var tokens = texts.Sum(text => tokenizer.Encode(text).Count + 1);
        Assert.Equal(
            result.Metrics["loss"] * tokens / texts.Sum(text => text.Length + 1),
            Math.Log(result.Metrics["character_perplexity"]), 1e-9);
        Assert.Equal(texts[0], tokenizer.Decode(tokenizer.Encode(texts[0])));
    }

    [Theory]
    [InlineData(Architecture.Gpt2)]
    [InlineData(Architecture.Lstm)]
    public void Run_InterruptedAndResumed_EndsWithTheSameBits(Architecture architecture)
    {
        var recipe = Recipe with
        {
            Architecture = architecture,
            Settings = Recipe.Settings with { CheckpointInterval = 5 }
        };
        var whole = Run("whole", recipe);
        var steps = 0;
        Assert.Throws<OperationCanceledException>(() => recipe.Run(Context("cut", () =>
        {
            if (++steps == 13)
                throw new OperationCanceledException();
        })));

        var resumed = Run("cut", recipe);

        Assert.Equal(Weights(whole.Model!), Weights(resumed.Model!));
        Assert.Equal(whole.Metrics, resumed.Metrics);
    }

    [Fact]
    public void Model_ThatIsThere_IsGoneOnFrom()
    {
        var first = Run("first", Recipe);

        var second = Run("second", Recipe with { Model = "first" });

        Assert.InRange(second.Metrics["loss"], 0, first.Metrics["loss"]);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(first.Model!, ModelFiles.Tokenizer)),
            File.ReadAllBytes(Path.Combine(second.Model!, ModelFiles.Tokenizer)));
        Refused(Recipe with { Model = "backbone" }, "'backbone' does not continue text; a model of the kind gpt2");
        Refused(
            Recipe with { Model = "first", SequenceLength = 64 },
            "sequence_length: It is 64; it must be 2 to 24, what 'first' can read.");
    }

    [Fact]
    public void Lstm_WithAFreeOutput_HasEmbeddingsOfItsOwn_AndIsGoneOnFrom()
    {
        var recipe = Recipe with
        {
            Architecture = Architecture.Lstm,
            EmbeddingSize = 12,
            TiesEmbeddings = false,
            Settings = Recipe.Settings with
            {
                Unlikelihood = new() { SequenceRate = 0.5, PrefixLength = 6, ContinuationLength = 12 }
            }
        };
        var first = Run("first", recipe with { Settings = Recipe.Settings });

        var second = Run("second", recipe with { Model = "first" });

        var config = Assert.IsType<LstmFolder>(Folder(second)).LoadConfig();
        Assert.Equal((12, 32, 2, false), (config.Embedding, config.Hidden, config.Layers, config.TiesEmbeddings));
        Assert.InRange(second.Metrics["loss"], 0, first.Metrics["loss"]);
        Assert.InRange(second.Metrics["seq_rep_4"], 0, 1);
    }

    [Fact]
    public void BestState_IsWhatComesOut()
    {
        // At this rate the model gets worse long before the end.
        var recipe = Recipe with
        {
            ValidationDatasets = ["tone-dev"],
            Settings = Recipe.Settings with { Epochs = 200, Patience = 2, LearningRate = 0.01f }
        };
        var steps = 0;

        var result = recipe.Run(Context("lm", () => steps++));

        using var decoder = Folder(result).LoadDecoder(Backend);
        var tokenizer = Folder(result).LoadTokenizer();
        var end = decoder.Config.EndToken!.Value;
        int[] stream =
        [
            end,
            .. CorpusRows.Read(this, ["tone-dev"]).SelectMany(row => tokenizer.Encode(row.Text).Append(end))
        ];
        Assert.Equal(LossOf(decoder, stream) / (stream.Length - 1), result.Metrics["loss"], 1e-3);
        Assert.InRange(steps, 1, 1000);
    }

    /// <summary>
    /// A model that repeats itself learns not to, at little cost; as many steps of likelihood alone do less than half.
    /// </summary>
    [Fact]
    public void Unlikelihood_OfContinuations_EndsRepetitions()
    {
        var recipe = Recipe with { SequenceLength = 64, Settings = Recipe.Settings with { Epochs = 30 } };
        var first = Run("first", recipe);
        var settings = recipe.Settings with { Epochs = 4, LearningRate = 5e-4f };
        var more = recipe with { Model = "first", Settings = settings };

        var control = Run("control", more);
        var result = Run("unlikely", more with
        {
            Settings = settings with
            {
                Unlikelihood = new() { SequenceRate = 0.5, PrefixLength = 6, ContinuationLength = 50 }
            }
        });

        var (before, without, after) = (RepetitionOf(first), RepetitionOf(control), RepetitionOf(result));
        var seen = $"{before} before, {without} with likelihood alone, {after}; perplexities "
            + $"{first.Metrics["perplexity"]}, {control.Metrics["perplexity"]}, {result.Metrics["perplexity"]}";
        Assert.True(before > 0.3, seen);
        Assert.True(after < 0.5 * before, seen);
        Assert.True(after < 0.5 * without, seen);
        Assert.True(result.Metrics["perplexity"] < 1.1 * first.Metrics["perplexity"], seen);
        Assert.InRange(result.Metrics["seq_rep_4"], 0, 0.5 * before);
        Assert.DoesNotContain("seq_rep_4", control.Metrics.Keys);
    }

    [Fact]
    public void Unlikelihood_OfTokens_InterruptedAndResumed_EndsWithTheSameBits()
    {
        var recipe = Recipe with
        {
            Settings = Recipe.Settings with
            {
                Epochs = 1,
                CheckpointInterval = 4,
                Unlikelihood = new()
                {
                    TokenWeight = 1,
                    SequenceRate = 0.5,
                    PrefixLength = 6,
                    ContinuationLength = 12
                }
            }
        };
        var whole = Run("whole", recipe);
        var steps = 0;
        Assert.Throws<OperationCanceledException>(() => recipe.Run(Context("cut", () =>
        {
            if (++steps == 10)
                throw new OperationCanceledException();
        })));

        Assert.Equal(Weights(whole.Model!), Weights(Run("cut", recipe).Model!));
    }

    [Fact]
    public void Recipes_ThatCannotBe_AreRefused()
    {
        Refused(Recipe with { Datasets = [] }, "There is no text; name at least one dataset.");
        Refused(Recipe with { HeldOutDocuments = 200 }, "no more than 200 documents, which are held out");
        Refused(
            Recipe with { EmbeddingSize = 8 },
            "embedding_size: It is 8; it must be 0: a GPT-2's embeddings are hidden states.");
        Refused(
            Recipe with { Architecture = Architecture.Lstm, EmbeddingSize = 8 },
            "embedding_size: It is 8; it must be 32, as the hidden states have, or a free output.");
        Refused(Recipe with { Heads = 5 }, "hidden_size: It is 32; it must be a multiple of the 5 heads");
        Refused(Recipe with { VocabularySize = 256 }, "vocabulary_size: It is 256; it must be 257 to");
        Refused(
            Recipe with { Settings = new() { Unlikelihood = new() { SequenceRate = 0.5 } } },
            "A prefix and its continuation have 150 tokens, more than the 24 of a sequence");
        Refused(
            Recipe with { Settings = new() { Patience = 1, Unlikelihood = new() { TokenWeight = 1 } } },
            "patience: With unlikelihood the last state comes out");
        Refused(Recipe with { Settings = new() { Epochs = 0 } }, "epochs: It is 0; it must be 1 to 10000.");
    }

    /// <summary>Of greedy continuations of the corpus's first texts.</summary>
    private double RepetitionOf(RecipeResult result)
    {
        var folder = Folder(result);
        using var model = GenerativeModel.Load(Backend, folder);
        var tokenizer = folder.LoadTokenizer();
        using var decoder = new TextDecoder(Backend, model);
        var prefixes = CorpusRows.Read(this, ["corpus"]).Take(30)
            .Select(row => (ReadOnlyMemory<int>)tokenizer.Encode(row.Text).Take(6).ToArray()).ToList();
        return decoder.Continue(prefixes, 50).Average(tokens => Repetition.SequenceRate(tokens, 4));
    }

    private void Refused(LanguageModelRecipe recipe, string message) => Assert.Contains(
        message, Assert.Throws<SettingException>(() => recipe.Validate(this)).Message, StringComparison.Ordinal);

    private static DecoderFolder Folder(RecipeResult result) => (DecoderFolder)ModelKinds.Open(result.Model!);

    private static byte[] Weights(string model) => File.ReadAllBytes(Path.Combine(model, ModelFiles.Weights));

    /// <summary>The cross-entropy of all tokens but the first, a sequence at a time, by the decoder that is served.
    /// </summary>
    private double LossOf(Decoder decoder, int[] stream)
    {
        using var cache = decoder.CreateCache(blocks: 2);
        using var workspace = decoder.CreateWorkspace(new(Sequence, Sequences: 1, LogitRows: Sequence, Blocks: 2));
        var sum = 0.0;
        for (var first = 0; first < stream.Length - 1; first += Sequence)
        {
            var count = Math.Min(Sequence, stream.Length - 1 - first);
            var sequence = new CachedSequence(decoder.BlockTokens);
            sequence.AddBlock(0);
            sequence.AddBlock(1);
            var batch = new DecoderBatch();
            batch.Add(sequence, stream.AsSpan(first, count), LogitRows.All);
            var logits = decoder.Forward(batch, cache, workspace).ToArray().Chunk(decoder.Config.Vocab).ToList();
            for (var i = 0; i < count; i++)
                sum += Math.Log(logits[i].Sum(logit => Math.Exp(logit))) - logits[i][stream[first + i + 1]];
        }

        return sum;
    }
}
