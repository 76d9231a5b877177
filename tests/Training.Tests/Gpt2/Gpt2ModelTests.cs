using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Models.Safetensors;
using Serving.Models.Tests;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Decoders;
using Serving.Training.Gpt2;
using Serving.Training.Layers;
using Serving.Training.Optimization;

namespace Serving.Training.Tests.Gpt2;

/// <summary>GPT-2 in training against other implementations, in float64: see golden/make_gpt2_steps.py.</summary>
public sealed class Gpt2ModelTests : IDisposable
{
    private const int Sequences = 3;

    /// <summary>Intermediate results are of size 1 to 10. Measured 5e-6 at most.</summary>
    private const double Tolerance = 2e-5;

    /// <summary>Of the largest gradient of each parameter; measured 1.1e-6 at most.</summary>
    private const double GradientTolerance = 1e-5;

    /// <summary>Gradients of key biases are 0 but for rounding.</summary>
    private const double SmallestScale = 0.01;

    /// <summary>Of a parameter after ten steps, each of up to 0.01; measured 9.8e-5 at most.</summary>
    private const double StepTolerance = 4e-4;

    private readonly CpuBackend _backend = new(threads: 2);
    private readonly SafetensorsFile _forward = SafetensorsFile.Open(Golden.At("gpt2/golden.safetensors"));
    private readonly SafetensorsFile _steps = SafetensorsFile.Open(Golden.At("gpt2_steps.safetensors"));
    private readonly Gpt2Model _model;
    private readonly Tape _tape;

    public Gpt2ModelTests()
    {
        var config = new Gpt2Folder(Golden.At("gpt2")).LoadConfig();
        using var file = WeightFiles.Open(Golden.At("gpt2/model.safetensors"));
        _model = Gpt2Model.Load(_backend, config, new Gpt2CheckpointParameters(file));
        _tape = new(_backend);
    }

    [Fact]
    public void Forward_EveryIntermediate_IsTheGenerators()
    {
        var batch = new TokenBatch([.. Enumerable.Range(0, Sequences).Select(i => (ReadOnlyMemory<int>)Tokens(i))]);
        var seen = 0;

        void Check(string name, Tensor output, int firstRow)
        {
            for (var i = 0; i < Sequences; i++)
            {
                var (first, end) = (Math.Max(batch.Offsets[i], firstRow), Math.Min(
                    batch.Offsets[i + 1], firstRow + output.Rows));
                AssertClose(
                    Floats(_forward, $"{i}.{name}"), output.Slice(first - firstRow, end - first).ToArray(), Tolerance);
            }
        }

        var hidden = _model.Forward(_tape, batch, DropoutKeys.Off, (name, output) =>
        {
            seen++;
            Check(name, output.Value, 0);
        });
        _tape.VocabularyLogits(hidden, _model.Output, (logits, first) => Check("logits", logits, first));

        Assert.Equal(2 + (7 * _model.Config.Layers), seen);
    }

    [Fact]
    public void Forward_Logits_AreTheServingDecoders()
    {
        using var decoder = Gpt2Decoder.Load(_backend, _model.Config, _model);
        using var cache = new KeyValueCache(_backend, _model.Config, blocks: 4);
        using var workspace = decoder.CreateWorkspace(new(Tokens: 64, Sequences: 1, LogitRows: 64, Blocks: 4));
        var sequence = new CachedSequence(KeyValueCache.BlockTokens);
        for (var i = 0; i < 3; i++)
            sequence.AddBlock(i);
        var batch = new DecoderBatch();
        batch.Add(sequence, Tokens(2), LogitRows.All);
        var expected = decoder.Forward(batch, cache, workspace).ToArray();

        var hidden = _model.Forward(_tape, new([Tokens(2)]), DropoutKeys.Off);

        _tape.VocabularyLogits(
            hidden, _model.Output, (logits, _) => AssertClose(expected, logits.ToArray(), Tolerance));
    }

    [Fact]
    public void TenSteps_FollowPyTorch()
    {
        _model.TrainAll();
        using var optimizer = new AdamOptimizer(
            _backend, _model.Parameters, new() { WeightDecay = 0.1f, Epsilon = 1e-6f, MaxGradientNorm = 1 });
        foreach (var expected in Floats(_steps, "losses"))
        {
            Assert.Equal(expected, Step(), 1e-5);
            if (optimizer.Steps == 0)
                AssertParameters("gradient.", parameter => parameter.Gradient, GradientTolerance, SmallestScale);
            optimizer.Step(0.01f);
        }

        AssertParameters("after.", parameter => parameter.Value, StepTolerance, smallestScale: 1);
    }

    [Fact]
    public void VocabularyLoss_InParts_IsThatOfAllRows()
    {
        const int rows = VocabularyOperation.RowsAtOnce + 40;
        using var parameters = new ParameterSet(_backend, new Gpt2InitialParameters(1, _model.Config));
        var table = parameters.AddMatrix(12, ("wte.weight", 30));
        var states = parameters.AddMatrix(12, ("states.weight", rows));
        parameters.TrainAll();
        int[] labels = [.. Enumerable.Range(0, rows).Select(i => i * 7 % 30)];
        var ids = _tape.Indices([.. Enumerable.Range(0, rows)]);
        Variable Hidden() => _tape.GatherRows(
            _tape.Run(new Leaf(states)), ids); // A variable whose gradient goes to a parameter.

        var whole = _tape.Linear(Hidden(), Weight.Of(table), new(Zeros()));
        var expected = _tape.SoftmaxCrossEntropy(whole, labels, 0.5f);
        _tape.Backward();
        var (ofTable, ofStates) = (table.Gradient.ToArray(), states.Gradient.ToArray());
        _tape.Reset();
        _backend.Fill(table.Gradient, 0);
        _backend.Fill(states.Gradient, 0);

        ids = _tape.Indices([.. Enumerable.Range(0, rows)]);
        var loss = _tape.Read(sum => _tape.VocabularyLoss(Hidden(), Weight.Of(table), (logits, first) =>
            _backend.SoftmaxCrossEntropy(
                logits, _tape.Indices(labels.AsSpan(first, logits.Rows)), 0.5f, logits, sum)));
        _tape.Backward();

        Assert.Equal(expected, loss, 1e-6);
        AssertClose(ofTable, table.Gradient.ToArray(), 1e-6);
        AssertClose(ofStates, states.Gradient.ToArray(), 1e-6);
        Assert.Contains(ofStates[^12..], value => value != 0);

        Tensor Zeros()
        {
            var zeros = _tape.Rent(1, 30);
            _backend.Fill(zeros, 0);
            return zeros;
        }
    }

    public void Dispose()
    {
        _tape.Dispose();
        _model.Dispose();
        _steps.Dispose();
        _forward.Dispose();
        _backend.Dispose();
    }

    /// <summary>Forward and backward pass of the mean over all next tokens of two sequences.</summary>
    private double Step()
    {
        int[][] texts = [Tokens(1), Tokens(2)];
        int[] labels = [.. texts.SelectMany(text => text[1..])];
        var hidden = _model.Forward(
            _tape, new([.. texts.Select(text => (ReadOnlyMemory<int>)text.AsMemory(0, text.Length - 1))]),
            DropoutKeys.Off);
        var loss = _tape.Read(sum => _tape.VocabularyLoss(hidden, _model.Output, (logits, first) =>
            _backend.SoftmaxCrossEntropy(
                logits, _tape.Indices(labels.AsSpan(first, logits.Rows)), 1f / labels.Length, logits, sum)));
        _tape.Backward();
        _tape.Reset();
        return loss / labels.Length;
    }

    private void AssertParameters(
        string prefix, Func<Parameter, Tensor> part, double tolerance, double smallestScale)
    {
        foreach (var (name, rows, columns) in Gpt2Tensors.Parameters(_model.Config))
        {
            var actual = part(_model.Find(name).Parameter).ToArray();
            var expected = Floats(_steps, prefix + name);
            if (name.Contains(".c_", StringComparison.Ordinal) && rows > 1)
                expected = Transposed(expected, columns, rows);
            AssertClose(expected, actual, tolerance * expected.Select(Math.Abs).Append((float)smallestScale).Max());
        }
    }

    private static float[] Transposed(float[] values, int rows, int columns) =>
        [.. Enumerable.Range(0, values.Length).Select(i => values[(i % rows * columns) + (i / rows)])];

    private int[] Tokens(int sequence)
    {
        var bytes = _forward.Bytes($"{sequence}.ids").ToArray();
        return [.. Enumerable.Range(0, bytes.Length / sizeof(long))
            .Select(i => (int)BitConverter.ToInt64(bytes, i * sizeof(long)))];
    }

    private static float[] Floats(SafetensorsFile file, string name)
    {
        var values = new float[file.Entry(name).ByteCount / sizeof(float)];
        file.ReadFloats(name, 0, values);
        return values;
    }

    private static void AssertClose(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], (double)actual[i], tolerance);
    }

    /// <summary>A parameter as a variable.</summary>
    private sealed class Leaf(Parameter parameter) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariable(parameter.Value.Rows, parameter.Value.Columns, needsGradient: true);
            output.Value.CopyFrom(parameter.Value.ToArray());
            return output;
        }

        public void Backward(Tape tape, Variable output) =>
            tape.Backend.Apply(Elementwise.Add, output.Gradient, parameter.Gradient, parameter.Gradient);
    }
}
