using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Pretraining;

namespace Serving.Training.Tests.Pretraining;

/// <summary>Losses and gradients of the objectives on a small model.</summary>
public sealed class ObjectiveLossesTests : IDisposable
{
    private const int Length = 32;

    private static readonly Objective[] Others =
        [.. Enum.GetValues<Objective>().Except([Objective.MaskedLanguageModel])];

    private readonly CpuBackend _backend = new(threads: 2);
    private readonly TextCorpus _corpus = new(Enumerable.Range(0, 40).Select(i => Story.Document(i)), Story.Tokenizer);
    private readonly ExampleSampler _sampler;
    private readonly BertModel _model;
    private readonly MaskedLanguageHead _head;
    private readonly AuxiliaryHeads _auxiliary;
    private readonly Tape _tape;
    private readonly ObjectiveLosses _losses;

    public ObjectiveLossesTests()
    {
        var config = new BertConfig
        {
            Vocab = Story.Words.Count,
            Hidden = 24,
            Layers = 2,
            Heads = 3,
            Inner = 40,
            MaxPositions = Length
        };
        _sampler = new(_corpus.Value, Story.Words, Length);
        _model = BertModel.Load(_backend, config, new InitialParameters(seed: 1, deviation: 0.2));
        _model.TrainAll();
        _head = new(_backend, _model, seed: 2, deviation: 0.2);
        _auxiliary = new(_backend, _model, Others, seed: 3, deviation: 0.2);
        _tape = new(_backend);
        _losses = new(_tape, _model, _head, _auxiliary);
    }

    public static TheoryData<Objective> All => [.. Enum.GetValues<Objective>()];

    /// <summary>Each objective moves the backbone and its own head, and no other.</summary>
    [Theory]
    [MemberData(nameof(All))]
    public void Gradients_OfAnObjective_AreItsOwnHeads(Objective objective)
    {
        var sums = Step(Examples(objective), [objective]);
        Assert.True(sums[objective].Loss > 0);
        foreach (var other in Others)
        {
            Assert.NotEmpty(_auxiliary.ParametersOf(other));
            if (other != objective)
            {
                Assert.All(_auxiliary.ParametersOf(other), parameter => Assert.Equal(
                    0, SumOfSquares(parameter.Gradient)));
            }
            else
            {
                Assert.All(_auxiliary.ParametersOf(other), parameter => Assert.True(
                    SumOfSquares(parameter.Gradient) > 0, parameter.Name));
            }
        }

        Assert.All(_head.Parameters, parameter => Assert.Equal(
            objective == Objective.MaskedLanguageModel, SumOfSquares(parameter.Gradient) > 0));
        Assert.All(
            _model.Parameters.Where(parameter => !parameter.Name.Contains("pooler", StringComparison.Ordinal)),
            parameter => Assert.True(SumOfSquares(parameter.Gradient) > 0, parameter.Name));
    }

    /// <summary>The gradients of some weights of the embeddings and of each head equal central differences.</summary>
    [Theory]
    [MemberData(nameof(All))]
    public void Gradients_AreThoseOfDifferences(Objective objective)
    {
        var examples = Examples(objective)[..6];
        Step(examples, [objective]);
        var auxiliary = objective == Objective.MaskedLanguageModel ? [] : _auxiliary.ParametersOf(objective);
        foreach (var parameter in (IEnumerable<Parameter>)[_model.Parameters[0], .. _head.Parameters, .. auxiliary])
        {
            float[] values = parameter.Value.ToArray(), gradient = parameter.Gradient.ToArray();
            var largest = gradient.Max(Math.Abs);
            var at = Array.FindIndex(gradient, value => Math.Abs(value) == largest);
            if (largest < 1e-4)
                continue; // Another objective's head.
            const float step = 1f / 128;
            var difference = (LossAt(values[at] + step) - LossAt(values[at] - step)) / (2 * step);
            Assert.InRange(gradient[at] / difference, 0.98, 1.02);

            double LossAt(float value)
            {
                float[] moved = [.. values];
                moved[at] = value;
                parameter.Value.CopyFrom(moved);
                var sum = _losses.Run(
                    examples, new HashSet<Objective> { objective }, counts: null, DropoutKeys.Off)[objective];
                _tape.Reset();
                parameter.Value.CopyFrom(values);
                return sum.Loss / sum.Count;
            }
        }
    }

    /// <summary>Logits at hidden positions equal those of all positions, where the hidden ones are taken.</summary>
    [Fact]
    public void SparseHead_HasTheLossAndGradientsOfADenseOne()
    {
        var examples = Examples(Objective.MaskedLanguageModel);
        var sparse = Step(examples, [Objective.MaskedLanguageModel])[Objective.MaskedLanguageModel];
        var expected = Gradients();
        Clear();

        var sequences = examples.SelectMany(example => example.Sequences).ToList();
        var batch = new SequenceBatch([.. sequences.Select(sequence => sequence.Sequence)]);
        var all = _model.Forward(
            _tape, batch, new([.. Enumerable.Range(0, batch.Tokens.Length)], batch.Offsets), masks: null,
            DropoutKeys.Off);
        int[] rows = [.. sequences.SelectMany(
            (sequence, i) => sequence.Positions.Select(position => batch.Offsets[i] + position))];
        int[] labels = [.. sequences.SelectMany(sequence => sequence.Labels)];
        var loss = _tape.SoftmaxCrossEntropy(
            _tape.GatherRows(_head.Forward(_tape, all), _tape.Indices(rows)), labels, 1f / labels.Length);
        _tape.Backward();
        _tape.Reset();

        Assert.Equal(sparse.Loss, loss, 1e-5 * loss);
        AssertClose(expected, Gradients());
    }

    /// <summary>
    /// Parts of a step have the gradient of the whole; except quick thoughts, which compares in a part.
    /// </summary>
    [Fact]
    public void Step_InParts_HasTheGradientOfOneBatch()
    {
        HashSet<Objective> objectives =
        [
            .. Enum.GetValues<Objective>().Except([
                Objective.QuickThoughts, Objective.NextSentence, Objective.AdjacentSentence, Objective.SentenceDistance
            ])
        ];
        var examples = Enumerable.Range(0, 12).Select(i => _sampler.Sample(i, objectives, (ulong)i)).ToList();
        var counts = Counts(examples, objectives);
        var whole = _losses.Run(examples, objectives, counts, DropoutKeys.Off);
        _tape.Backward();
        _tape.Reset();
        var expected = Gradients();
        Clear();

        var sums = new Dictionary<Objective, ObjectiveSums>();
        foreach (var part in examples.Chunk(5))
        {
            foreach (var (objective, sum) in _losses.Run(part, objectives, counts, DropoutKeys.Off))
                sums[objective] = sums.GetValueOrDefault(objective) + sum;
            _tape.Backward();
            _tape.Reset();
        }

        Assert.Equal(11, sums.Count);
        Assert.All(sums, sum =>
        {
            Assert.Equal(whole[sum.Key].Count, sum.Value.Count);
            Assert.Equal(whole[sum.Key].Loss, sum.Value.Loss, 1e-5 * whole[sum.Key].Loss);
        });
        AssertClose(expected, Gradients());
    }

    [Fact]
    public void QuickThoughts_AtFirst_KnowsNothing()
    {
        var examples = Examples(Objective.QuickThoughts)
            .Where(example => example.Sequences.Count == 2).Take(16).ToList();
        var sum = Step(examples, [Objective.QuickThoughts])[Objective.QuickThoughts];
        Assert.Equal(16, sum.Count);
        Assert.InRange(sum.Loss / 16, Math.Log(16) - 0.1, Math.Log(16) + 0.1);
    }

    private double SumOfSquares(Tensor x) => _tape.Read(sum => _backend.SumOfSquares(x, sum));

    public void Dispose()
    {
        _tape.Dispose();
        _auxiliary.Dispose();
        _head.Dispose();
        _model.Dispose();
        _corpus.Dispose();
        _backend.Dispose();
    }

    private List<PretrainingExample> Examples(Objective objective) =>
        [.. Enumerable.Range(0, 24).Select(i => _sampler.Sample(i, new HashSet<Objective> { objective }, (ulong)i))];

    private static Dictionary<Objective, int> Counts(
        List<PretrainingExample> examples, HashSet<Objective> objectives) =>
        objectives.ToDictionary(
            objective => objective, objective => examples.Sum(example => ObjectiveLosses.Count(example, objective)));

    private Dictionary<Objective, ObjectiveSums> Step(List<PretrainingExample> examples, HashSet<Objective> objectives)
    {
        var sums = _losses.Run(examples, objectives, Counts(examples, objectives), DropoutKeys.Off);
        Assert.All(sums, sum => Assert.Equal(Counts(examples, objectives)[sum.Key], sum.Value.Count));
        _tape.Backward();
        _tape.Reset();
        return sums;
    }

    private IEnumerable<Parameter> Parameters => [.. _model.Parameters, .. _head.Parameters, .. _auxiliary.Parameters];

    private List<(string Name, float[] Values)> Gradients() =>
        [.. Parameters.Select(parameter => (parameter.Name, parameter.Gradient.ToArray()))];

    private void Clear()
    {
        foreach (var parameter in Parameters)
            _backend.Fill(parameter.Gradient, 0);
    }

    private static void AssertClose(
        List<(string Name, float[] Values)> expected, List<(string Name, float[] Values)> actual)
    {
        foreach (var (one, other) in expected.Zip(actual))
        {
            var tolerance = 1e-5 * Math.Max(0.01, one.Values.Max(Math.Abs));
            Assert.All(one.Values.Zip(other.Values), pair => Assert.Equal(pair.First, pair.Second, tolerance));
        }
    }
}
