using Serving.Models.Bert;
using Serving.Tensors.Cpu;
using Serving.Text.Bert;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Tests;
using TorchSharp;
using F = TorchSharp.torch.nn.functional;

namespace Serving.Tensors.Torch.Tests.Models;

/// <summary>The tape's gradients of a whole BERT are those of libtorch's own autograd, on either backend.</summary>
[NeedsLibtorch]
public sealed class AutogradTests
{
    /// <summary>Of the largest gradient of each parameter; measured 8e-7.</summary>
    private const double Tolerance = 5e-6;

    /// <summary>Gradients of key biases are 0 but for rounding.</summary>
    private const double SmallestScale = 0.01;

    [Theory]
    [InlineData(BackendName.Cpu)]
    [InlineData(BackendName.Torch)]
    public void Tape_GivesTheGradientsOfAutograd(BackendName name)
    {
        using TrainingBackend backend = name == BackendName.Cpu ? new CpuBackend(threads: 2) : Libtorch.Backend();
        using var model = Small.Model(backend);
        using var head = new ClassifierHead(backend, Small.Labels, Small.Config.Hidden, seed: 3, isTrained: true);
        using var tape = new Tape(backend);
        model.TrainAll();
        var examples = Small.Examples(6, seed: 4);

        var loss = Small.Step(tape, model, head, masks: null, examples, DropoutKeys.Off);

        using var scope = torch.NewDisposeScope();
        var parameters = Parameters(model, head);
        var expected = Loss(parameters, examples);
        expected.backward();
        Assert.Equal(expected.ToSingle(), loss, 1e-5);
        foreach (var (parameterName, rows, columns) in model.Tensors())
        {
            var (parameter, first, _) = model.Find(parameterName);
            var gradient = parameter.Value.Rows == 1
                ? parameter.Gradient.SliceColumns(first, columns)
                : parameter.Gradient.Slice(first, rows);
            AssertClose(parameterName, parameters[parameterName], gradient.ToArray());
        }

        var ofHead = parameters[BertTensors.ClassifierWeight];
        AssertClose(BertTensors.ClassifierWeight, ofHead, head.Weight.Gradient.ToArray());
    }

    public enum BackendName
    {
        Cpu,
        Torch
    }

    private static Dictionary<string, torch.Tensor> Parameters(BertModel model, ClassifierHead head)
    {
        var parameters = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        foreach (var (name, rows, columns) in model.Tensors())
        {
            var values = new float[rows * columns];
            model.Read(name, rows, columns, 0, values);
            parameters[name] = rows == 1
                ? torch.tensor(values, requires_grad: true)
                : torch.tensor(values, rows, columns, requires_grad: true);
        }

        var hidden = model.Config.Hidden;
        parameters[BertTensors.ClassifierWeight] =
            torch.tensor(head.Weight.Value.ToArray(), Small.Labels, hidden, requires_grad: true);
        parameters[BertTensors.ClassifierBias] = torch.tensor(head.Bias.Value.ToArray(), requires_grad: true);
        return parameters;
    }

    /// <summary>BERT as the paper has it (Devlin et al. 2019), one sequence after another.</summary>
    private static torch.Tensor Loss(
        Dictionary<string, torch.Tensor> parameters, List<(TokenSequence Sequence, int Label)> examples)
    {
        var config = Small.Config;
        var logits = examples.Select(example =>
        {
            var tokens = example.Sequence.Tokens;
            torch.Tensor Rows(string table, IEnumerable<int> rows) => parameters[$"embeddings.{table}.weight"]
                .index_select(0, torch.tensor(rows.Select(row => (long)row).ToArray()));
            var x = Norm(
                Rows("word_embeddings", tokens.Select(token => token.Id))
                    + Rows("position_embeddings", Enumerable.Range(0, tokens.Count))
                    + Rows("token_type_embeddings", tokens.Select(token => token.Type)),
                "embeddings.LayerNorm");
            for (var layer = 0; layer < config.Layers; layer++)
                x = Layer(x, $"encoder.layer.{layer}.");
            var pooled = Linear(x.narrow(0, 0, 1), "pooler.dense").tanh();
            return F.linear(
                pooled, parameters[BertTensors.ClassifierWeight], parameters[BertTensors.ClassifierBias]);
        }).ToList();
        return F.cross_entropy(
            torch.cat(logits), torch.tensor(examples.Select(example => (long)example.Label).ToArray()));

        torch.Tensor Layer(torch.Tensor x, string name)
        {
            torch.Tensor Heads(string part) => Linear(x, $"{name}attention.self.{part}")
                .view(x.shape[0], config.Heads, config.Hidden / config.Heads).transpose(0, 1);
            var attended = F.scaled_dot_product_attention(Heads("query"), Heads("key"), Heads("value"))
                .transpose(0, 1).reshape(x.shape);
            x = Norm(Linear(attended, $"{name}attention.output.dense") + x, $"{name}attention.output.LayerNorm");
            var inner = F.gelu(Linear(x, $"{name}intermediate.dense"));
            return Norm(Linear(inner, $"{name}output.dense") + x, $"{name}output.LayerNorm");
        }

        torch.Tensor Linear(torch.Tensor x, string name) =>
            F.linear(x, parameters[$"{name}.weight"], parameters[$"{name}.bias"]);

        torch.Tensor Norm(torch.Tensor x, string name) => F.layer_norm(
            x, [config.Hidden], parameters[$"{name}.weight"], parameters[$"{name}.bias"], config.LayerNormEpsilon);
    }

    private static void AssertClose(string name, torch.Tensor parameter, float[] actual)
    {
        var expected = parameter.grad!.contiguous().data<float>().ToArray();
        Assert.Equal(expected.Length, actual.Length);
        var scale = Math.Max(expected.Max(Math.Abs), SmallestScale);
        var worst = expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
        Assert.True(worst <= Tolerance * scale, $"{name}: gradients of up to {scale} differ by {worst}.");
    }
}
