using Serving.Models.Gpt2;
using Serving.Models.Safetensors;
using Serving.Models.Tests;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Decoders;
using Serving.Training.Gpt2;
using Serving.Training.LanguageModels;
using Serving.Training.Layers;
using Serving.Training.Loop;

namespace Serving.Training.Tests.LanguageModels;

/// <summary>Losses of steps against their formulas, over the logits of the golden GPT-2.</summary>
public sealed class TokenStepsTests : IDisposable
{
    private const double Tolerance = 1e-5;
    private const int End = 60;

    private static readonly int[] Text = [3, 17, 3, 42, 17, 3, 17, 3, End, 42, 5];

    private readonly CpuBackend _backend = new(threads: 2);
    private readonly Gpt2Model _model;
    private readonly StepParts _parts;

    public TokenStepsTests()
    {
        var config = new Gpt2Folder(Golden.At("gpt2")).LoadConfig();
        using var file = WeightFiles.Open(Golden.At("gpt2/model.safetensors"));
        _model = Gpt2Model.Load(_backend, config, new Gpt2CheckpointParameters(file));
        _model.TrainAll();
        _parts = new(new Tape(_backend), _model, _backend.AllocateScalars(2));
    }

    public void Dispose()
    {
        _parts.Tape.Dispose();
        _parts.Sums.Dispose();
        _model.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(0.5f)]
    public void LikelihoodStep_IsTheFormulasMean_OfAllParts(float weight)
    {
        List<TokenWindow> windows = [new(Text), new([7, 7, 7])];
        var expected = windows.Sum(window => LossOf(window, weight)) / windows.Sum(window => window.Count);
        var step = new LikelihoodStep(_parts, windows, weight, End);

        foreach (var window in windows)
            Run(step, [window]);

        Assert.Equal(expected, step.Loss, Tolerance);
        var ofParts = Gradients();
        step = new LikelihoodStep(_parts, windows, weight, End);
        Run(step, windows);
        Assert.Equal(expected, step.Loss, Tolerance);
        Assert.All(ofParts.Zip(Gradients()), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
    }

    [Fact]
    public void ContinuationStep_PenalizesRepetitions_OfTheContinuationAlone()
    {
        var settings = new UnlikelihoodSettings { PrefixLength = 4, ContinuationLength = 7, RepeatedTokens = 2 };
        var window = new TokenWindow(Text);
        var step = new ContinuationStep(_parts, [window], settings);

        // The continuation is 17 3 17 3 End 42 5: the second "17 3" is a repetition; that of the prefix is none.
        var probabilities = Probabilities(window.Inputs);
        var expected = (-Math.Log(1 - probabilities[5][17]) - Math.Log(1 - probabilities[6][3])) / 7;
        Run(step, [window]);

        Assert.Equal(expected, step.Loss, Tolerance);
        Assert.Contains(Gradients(), gradient => gradient != 0);
        step = new ContinuationStep(_parts, [new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])], settings);
        Run(step, step.Examples);
        Assert.Equal(0, step.Loss);
        Assert.All(Gradients(), gradient => Assert.Equal(0f, gradient));
    }

    [Fact]
    public void TextDecoder_TakesTheLikeliest_AsATextRunsAgain()
    {
        ReadOnlyMemory<int>[] prefixes = [Text.AsMemory(0, 5), Text.AsMemory(3, 5), Text.AsMemory(5, 5)];
        using var decoder = new TextDecoder(_backend, _model);

        var continuations = decoder.Continue(prefixes, length: 20);

        foreach (var (prefix, continuation) in prefixes.Zip(continuations))
        {
            var all = Probabilities((int[])[.. prefix.Span, .. continuation]);
            Assert.Equal(
                continuation,
                Enumerable.Range(prefix.Length - 1, 20).Select(at => Array.IndexOf(all[at], all[at].Max())));
            Assert.Equal(continuation, decoder.Continue([prefix], length: 20)[0]);
        }
    }

    private void Run(IStep<TokenWindow> step, IReadOnlyList<TokenWindow> part)
    {
        step.Forward(part, DropoutKeys.Off);
        _parts.Tape.Backward();
        _parts.Tape.Reset();
    }

    /// <summary>All gradients, which are 0 afterwards.</summary>
    private List<float> Gradients()
    {
        var gradients = new List<float>();
        foreach (var parameter in _model.Parameters)
        {
            gradients.AddRange(parameter.Gradient.ToArray());
            _backend.Fill(parameter.Gradient, 0);
        }

        return gradients;
    }

    /// <summary>Σ -ln p(label) - weight Σ ln(1 - p(token before)).</summary>
    private double LossOf(TokenWindow window, float weight)
    {
        var probabilities = Probabilities(window.Inputs);
        return Enumerable.Range(0, window.Count).Sum(i =>
        {
            var label = window.Tokens[i + 1];
            var before = window.Tokens[..(i + 1)].Distinct().Where(token => token != label && token != End);
            return -Math.Log(probabilities[i][label])
                - (weight * before.Sum(token => Math.Log(1 - probabilities[i][token])));
        });
    }

    private double[][] Probabilities(ReadOnlyMemory<int> tokens)
    {
        var rows = new List<double[]>();
        var hidden = _model.Forward(_parts.Tape, new([tokens]), DropoutKeys.Off);
        _parts.Tape.VocabularyLogits(hidden, _model.Output, (logits, _) =>
        {
            foreach (var row in logits.ToArray().Chunk(logits.Columns))
            {
                var sum = row.Sum(logit => Math.Exp(logit));
                rows.Add([.. row.Select(logit => Math.Exp(logit) / sum)]);
            }
        });
        _parts.Tape.Reset();
        return [.. rows];
    }
}
