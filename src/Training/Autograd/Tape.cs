using Serving.Tensors;

namespace Serving.Training.Autograd;

/// <summary>Runs operations and records their backward pass (reverse-mode differentiation, Griewank 1989).</summary>
/// <remarks>
/// One step: operations, a loss, <see cref="Backward"/>, <see cref="Reset"/>. Gradients of parameters add up until the
/// optimizer uses them. What depends on nothing that is trained is not run backward.
/// </remarks>
public sealed class Tape(TrainingBackend backend) : IDisposable
{
    private readonly TensorArena _arena = backend.CreateArena();
    private readonly List<Action> _backward = [];

    /// <summary>Floating-point operations of matrix products since the tape was made, forward and backward.</summary>
    public long FloatingPointOperations { get; private set; }

    /// <summary>Sums of embeddings, see <see cref="TensorBackend.EmbeddingSum"/>.</summary>
    public Variable Embedding(Weight tokens, Weight positions, Weight types, TokenIds[] ids)
    {
        var output = Result(ids.Length, tokens.Value.Columns, tokens.NeedsGradient);
        backend.EmbeddingSum(tokens.Value, positions.Value, types.Value, ids, output.Value);
        Note(output, () => backend.EmbeddingGradient(
            ids, output.Gradient, tokens.Gradient, positions.Gradient, types.Gradient));
        return output;
    }

    /// <summary>x weightᵀ + bias.</summary>
    public Variable Linear(Variable x, Weight weight, Vector bias)
    {
        var output = Result(
            x.Value.Rows, weight.Value.Rows, x.NeedsGradient || weight.NeedsGradient || !bias.Gradient.IsNone);
        Multiply(
            x.Value, weight.Value, Transposed.Right, weight.Selection, bias.Value, accumulate: false, output.Value);
        Note(output, () =>
        {
            if (x.NeedsGradient)
            {
                var gradient = GradientOf(x, out var accumulate);
                Multiply(
                    output.Gradient, weight.Value, Transposed.Neither, weight.Selection, default, accumulate, gradient);
            }

            if (!weight.Gradient.IsNone)
            {
                Multiply(
                    output.Gradient, x.Value, Transposed.Left, default, default, accumulate: true, weight.Gradient);
            }

            if (!weight.ScoresGradient.IsNone)
                AddScoresGradient(output.Gradient, x.Value, weight);
            if (!bias.Gradient.IsNone)
                backend.AddRows(output.Gradient, bias.Gradient);
        });
        return output;
    }

    public Variable Gelu(Variable x)
    {
        var output = ResultLike(x);
        backend.Apply(Elementwise.Gelu, x.Value, default, output.Value);
        Note(output, () => Contribute(x, to => backend.Apply(Elementwise.GeluGradient, x.Value, output.Gradient, to)));
        return output;
    }

    public Variable Tanh(Variable x)
    {
        var output = ResultLike(x);
        backend.Apply(Elementwise.Tanh, x.Value, default, output.Value);
        Note(output, () => Contribute(
            x, to => backend.Apply(Elementwise.TanhGradient, output.Value, output.Gradient, to)));
        return output;
    }

    /// <summary>dropout(x).</summary>
    public Variable Dropout(Variable x, Dropout dropout)
    {
        if (dropout.Rate == 0)
            return x;
        var output = ResultLike(x);
        backend.DropoutAdd(x.Value, dropout, default, output.Value);
        Note(output, () => Contribute(x, to => backend.DropoutAdd(output.Gradient, dropout, default, to)));
        return output;
    }

    /// <summary>residual + dropout(x).</summary>
    public Variable DropoutAdd(Variable x, Dropout dropout, Variable residual)
    {
        var output = Result(x.Value.Rows, x.Value.Columns, x.NeedsGradient || residual.NeedsGradient);
        if (dropout.Rate == 0)
            backend.Apply(Elementwise.Add, x.Value, residual.Value, output.Value);
        else
            backend.DropoutAdd(x.Value, dropout, residual.Value, output.Value);
        Note(output, () =>
        {
            if (x.NeedsGradient)
                Contribute(x, to => backend.DropoutAdd(output.Gradient, dropout, default, to));
            if (residual.NeedsGradient)
                PassOn(output, residual);
        });
        return output;
    }

    /// <summary>See <see cref="TensorBackend.LayerNorm"/>.</summary>
    public Variable LayerNorm(Variable x, Vector gamma, Vector beta, float epsilon)
    {
        var output = Result(
            x.Value.Rows, x.Value.Columns, x.NeedsGradient || !gamma.Gradient.IsNone || !beta.Gradient.IsNone);
        backend.LayerNorm(x.Value, gamma.Value, beta.Value, epsilon, output.Value);
        Note(output, () => Contribute(x, to => backend.LayerNormGradient(
            x.Value, gamma.Value, epsilon, output.Gradient, gamma.Gradient, beta.Gradient, to)));
        return output;
    }

    /// <summary>Attention of sequences to themselves.</summary>
    /// <param name="x">Queries, keys and values side by side, [tokens, 3 hidden]; nothing else may use it.</param>
    public Variable SelfAttention(Variable x, int[] offsets, int heads, Dropout dropout)
    {
        var hidden = x.Value.Columns / 3;
        return Attention(x, 0, offsets, x, hidden, offsets, hidden, heads, dropout);
    }

    /// <summary>Attention of some queries to whole sequences.</summary>
    /// <param name="query">[queries, hidden]; nothing else may use it.</param>
    /// <param name="keyValue">Keys and values side by side, [tokens, 2 hidden]; nothing else may use it.</param>
    public Variable Attention(
        Variable query, int[] queryOffsets, Variable keyValue, int[] keyOffsets, int heads, Dropout dropout) =>
        Attention(query, 0, queryOffsets, keyValue, 0, keyOffsets, query.Value.Columns, heads, dropout);

    /// <summary>Some rows, in any order; rows may repeat.</summary>
    public Variable GatherRows(Variable x, int[] rows)
    {
        var output = Result(rows.Length, x.Value.Columns, x.NeedsGradient);
        backend.GatherRows(x.Value, rows, output.Value);
        Note(output, () =>
        {
            var gradient = GradientOf(x, out var accumulate);
            if (!accumulate)
                backend.Fill(gradient, 0f);
            backend.ScatterAddRows(output.Gradient, rows, gradient);
        });
        return output;
    }

    /// <summary>Cross-entropy of softmax, in nats. Its gradient flows back from here.</summary>
    /// <param name="scale">What the gradient is multiplied by: 1 / rows of the batch, for that of the mean.</param>
    /// <returns>The sum of the rows' losses.</returns>
    public double SoftmaxCrossEntropy(Variable logits, ReadOnlySpan<int> labels, float scale)
    {
        var gradient = GradientOf(logits, out var accumulate);
        if (accumulate)
            throw new InvalidOperationException("The logits have a gradient already; give them one loss.");
        return backend.SoftmaxCrossEntropy(logits.Value, labels, scale, gradient);
    }

    /// <summary>Squared error, Σ (prediction - target)². Its gradient flows back from here.</summary>
    /// <param name="predictions">[rows, 1]</param>
    public double SquaredError(Variable predictions, ReadOnlySpan<float> targets, float scale)
    {
        var values = predictions.Value.ToArray();
        var gradient = new float[values.Length];
        var sum = 0.0;
        for (var i = 0; i < values.Length; i++)
        {
            var error = values[i] - targets[i];
            sum += (double)error * error;
            gradient[i] = 2 * scale * error;
        }

        SetGradient(predictions, gradient);
        return sum;
    }

    /// <summary>The loss of quick thoughts. Its gradient flows back from here.</summary>
    /// <param name="x">[rows, features]</param>
    /// <param name="left">Rows, each with its partner at the same place of `right`.</param>
    /// <returns>See <see cref="CosineLosses.CrossEntropy"/>.</returns>
    public (double Loss, int Right) CosineCrossEntropy(
        Variable x, ReadOnlySpan<int> left, ReadOnlySpan<int> right, float scale)
    {
        var gradient = new float[x.Value.Rows * x.Value.Columns];
        var result = CosineLosses.CrossEntropy(x.Value.ToArray(), x.Value.Columns, left, right, scale, gradient);
        SetGradient(x, gradient);
        return result;
    }

    /// <summary>The distance of pairs of rows by their cosine. Its gradient flows back from here.</summary>
    /// <param name="x">[rows, features]</param>
    /// <returns>See <see cref="CosineLosses.Distance"/>.</returns>
    public (double Loss, double Cosines) CosineDistance(
        Variable x, ReadOnlySpan<(int Left, int Right)> pairs, float scale)
    {
        var gradient = new float[x.Value.Rows * x.Value.Columns];
        var result = CosineLosses.Distance(x.Value.ToArray(), x.Value.Columns, pairs, scale, gradient);
        SetGradient(x, gradient);
        return result;
    }

    /// <summary>Runs backward from the losses; adds to the gradients of parameters.</summary>
    public void Backward()
    {
        for (var i = _backward.Count - 1; i >= 0; i--)
            _backward[i]();
    }

    /// <summary>Ends the step; its variables become invalid.</summary>
    public void Reset()
    {
        _backward.Clear();
        _arena.Reset();
    }

    public void Dispose() => _arena.Dispose();

    private void SetGradient(Variable x, ReadOnlySpan<float> values)
    {
        var gradient = GradientOf(x, out var accumulate);
        if (accumulate)
            throw new InvalidOperationException("The variable has a gradient already; give it one loss.");
        gradient.CopyFrom(values);
    }

    private Variable Attention(
        Variable query,
        int queryColumn,
        int[] queryOffsets,
        Variable keyValue,
        int keyColumn,
        int[] keyOffsets,
        int hidden,
        int heads,
        Dropout dropout)
    {
        var output = Result(query.Value.Rows, hidden, query.NeedsGradient || keyValue.NeedsGradient);
        var q = query.Value.SliceColumns(queryColumn, hidden);
        var k = keyValue.Value.SliceColumns(keyColumn, hidden);
        var v = keyValue.Value.SliceColumns(keyColumn + hidden, hidden);
        backend.Attention(q, queryOffsets, k, v, keyOffsets, heads, dropout, output.Value);
        var products = 0L; // Pairs of a query and a key.
        for (var i = 1; i < queryOffsets.Length; i++)
            products += (long)(queryOffsets[i] - queryOffsets[i - 1]) * (keyOffsets[i] - keyOffsets[i - 1]);
        FloatingPointOperations += 4 * products * hidden;
        Note(output, () =>
        {
            // Queries, keys and values come from the same states: all need gradients, or none. All columns are
            // overwritten.
            var queryGradient = GradientOf(query, out var isUsed);
            var keyValueGradient = query == keyValue ? queryGradient : GradientOf(keyValue, out isUsed);
            if (isUsed)
            {
                throw new InvalidOperationException(
                    "Queries, keys and values are used elsewhere, too; attention needs its own.");
            }

            backend.AttentionGradient(
                q, queryOffsets, k, v, keyOffsets, heads, dropout, output.Gradient,
                queryGradient.SliceColumns(queryColumn, hidden),
                keyValueGradient.SliceColumns(keyColumn, hidden),
                keyValueGradient.SliceColumns(keyColumn + hidden, hidden));
            // Not counting the attention weights, which are recomputed.
            FloatingPointOperations += 8 * products * hidden;
        });
        return output;
    }

    private void AddScoresGradient(Tensor outputGradient, Tensor x, Weight weight)
    {
        // A straight-through estimator: the gradient of the masked weight times the weight, whether its bit is 1 or 0.
        var ofWeight = _arena.Rent(weight.Value.Rows, weight.Value.Columns);
        Multiply(outputGradient, x, Transposed.Left, default, default, accumulate: false, ofWeight);
        backend.Apply(Elementwise.AddProduct, ofWeight, weight.Value, weight.ScoresGradient);
    }

    private void Multiply(
        Tensor a, Tensor b, Transposed transposed, Selection selection, Tensor bias, bool accumulate, Tensor output)
    {
        backend.Multiply(a, b, transposed, selection, bias, accumulate, output);
        var terms = transposed == Transposed.Left ? a.Rows : a.Columns;
        FloatingPointOperations += 2L * output.Rows * output.Columns * terms;
    }

    private Variable Result(int rows, int columns, bool needsGradient) =>
        new(_arena.Rent(rows, columns), needsGradient);

    private Variable ResultLike(Variable x) => Result(x.Value.Rows, x.Value.Columns, x.NeedsGradient);

    /// <summary>Records how an operation runs backward, which it does if its output has a gradient by then.</summary>
    private void Note(Variable output, Action backward)
    {
        if (!output.NeedsGradient)
            return;
        _backward.Add(() =>
        {
            if (!output.Gradient.IsNone)
                backward();
        });
    }

    /// <summary>Where a variable's gradient goes.</summary>
    /// <param name="accumulate">Whether others have contributed to it; otherwise it holds nothing yet.</param>
    private Tensor GradientOf(Variable x, out bool accumulate)
    {
        accumulate = !x.Gradient.IsNone;
        if (!accumulate)
            x.Gradient = _arena.Rent(x.Value.Rows, x.Value.Columns);
        return x.Gradient;
    }

    /// <summary>Lets an operation write a gradient; adds it to what others have contributed.</summary>
    private void Contribute(Variable x, Action<Tensor> write)
    {
        var gradient = GradientOf(x, out var accumulate);
        if (!accumulate)
        {
            write(gradient);
            return;
        }

        var own = _arena.Rent(x.Value.Rows, x.Value.Columns);
        write(own);
        backend.Apply(Elementwise.Add, own, gradient, gradient);
    }

    /// <summary>Passes a gradient on as it is; the first one is not read again, so both may share memory.</summary>
    private void PassOn(Variable from, Variable to)
    {
        if (to.Gradient.IsNone)
            to.Gradient = from.Gradient;
        else
            backend.Apply(Elementwise.Add, from.Gradient, to.Gradient, to.Gradient);
    }
}
