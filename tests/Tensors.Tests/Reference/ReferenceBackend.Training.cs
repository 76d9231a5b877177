namespace Serving.Tensors.Tests.Reference;

internal sealed partial class ReferenceBackend
{
    public override void Multiply(
        Tensor a, Tensor b, Transposed transposed, Selection selection, Tensor bias, bool accumulate, Tensor output)
    {
        var terms = Shapes.Multiply(a, b, transposed, selection, bias, output);
        double Left(int row, int k) => transposed == Transposed.Left ? At(a, k, row) : At(a, row, k);
        double Right(int k, int column)
        {
            var (i, j) = transposed == Transposed.Right ? (column, k) : (k, column);
            return selection.Scores.IsNone || At(selection.Scores, i, j) > selection.Threshold ? At(b, i, j) : 0;
        }

        Set(output, (row, column) =>
            Sum(terms, k => Left(row, k) * Right(k, column)) + Bias(bias, column)
            + (accumulate ? At(output, row, column) : 0));
    }

    public override void Apply(Elementwise function, Tensor a, Tensor b, Tensor output)
    {
        Shapes.Apply(function, a, b, output);
        Set(output, (row, column) =>
        {
            double x = At(a, row, column);
            var y = b.IsNone ? 0.0 : At(b, row, column);
            return function switch
            {
                Elementwise.Gelu => Formulas.Gelu(x),
                Elementwise.GeluGradient => y * Formulas.GeluSlope(x),
                Elementwise.GeluTanh => Formulas.GeluTanh(x),
                Elementwise.GeluTanhGradient => y * Formulas.GeluTanhSlope(x),
                Elementwise.Tanh => Math.Tanh(x),
                Elementwise.TanhGradient => y * (1 - (x * x)),
                Elementwise.Add => x + y,
                Elementwise.AddProduct => At(output, row, column) + (x * y),
                _ => throw new ArgumentOutOfRangeException(nameof(function))
            };
        });
    }

    public override void DropoutAdd(Tensor x, Dropout dropout, Tensor residual, Tensor output)
    {
        Shapes.DropoutAdd(x, dropout, residual, output);
        Set(output, (row, column) =>
            ((double)At(x, row, column) * dropout.Factor(row, column, x.Columns))
            + (residual.IsNone ? 0 : At(residual, row, column)));
    }

    /// <remarks>
    /// With n = (x - mean) / deviation and g = gamma ⊙ dy: dx = (g - mean(g) - n mean(g ⊙ n)) / deviation.
    /// </remarks>
    public override void LayerNormGradient(
        Tensor x, Tensor gamma, float epsilon, Tensor outputGradient, Tensor gammaGradient, Tensor betaGradient,
        Tensor xGradient)
    {
        Shapes.LayerNormGradient(x, gamma, outputGradient, gammaGradient, betaGradient, xGradient);
        double Normalized(int row, int column)
        {
            var (mean, deviation) = Moments(x, row, epsilon);
            return (At(x, row, column) - mean) / deviation;
        }

        if (!gammaGradient.IsNone)
        {
            Set(gammaGradient, (_, column) => At(gammaGradient, 0, column)
                + Sum(x.Rows, row => At(outputGradient, row, column) * Normalized(row, column)));
        }

        if (!betaGradient.IsNone)
        {
            Set(betaGradient, (_, column) =>
                At(betaGradient, 0, column) + Sum(x.Rows, row => At(outputGradient, row, column)));
        }

        Set(xGradient, (row, column) =>
        {
            double Scaled(int i) => (double)At(gamma, 0, i) * At(outputGradient, row, i);
            var mean = Sum(x.Columns, Scaled) / x.Columns;
            var slope = Sum(x.Columns, i => Scaled(i) * Normalized(row, i)) / x.Columns;
            return (Scaled(column) - mean - (Normalized(row, column) * slope)) / Moments(x, row, epsilon).Deviation;
        });
    }

    public override void AddRows(Tensor x, Tensor output)
    {
        Shapes.AddRows(x, output);
        Set(output, (_, column) => At(output, 0, column) + Sum(x.Rows, row => At(x, row, column)));
    }

    public override void EmbeddingGradient(
        IndexBuffer ids, Tensor outputGradient, Tensor tokensGradient, Tensor positionsGradient,
        Tensor typesGradient)
    {
        Shapes.EmbeddingGradient(ids, outputGradient, tokensGradient, positionsGradient, typesGradient);
        var all = ids.Tokens.ToArray();
        AddTo(tokensGradient, outputGradient, [.. all.Select(id => id.Token)]);
        AddTo(positionsGradient, outputGradient, [.. all.Select(id => id.Position)]);
        if (!typesGradient.IsNone)
            AddTo(typesGradient, outputGradient, [.. all.Select(id => id.Type)]);
    }

    public override void ScatterAddRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        Shapes.GatherRows(output, rows, x);
        AddTo(output, x, rows.Values.ToArray());
    }

    public override void MeanRowsGradient(Tensor outputGradient, IndexBuffer spans, Tensor xGradient)
    {
        Shapes.MeanRows(xGradient, spans, outputGradient);
        for (var i = 0; i < outputGradient.Rows; i++)
        {
            var (begin, end) = (spans.Values[2 * i], spans.Values[(2 * i) + 1]);
            for (var row = begin; row < end; row++)
            {
                for (var column = 0; column < xGradient.Columns; column++)
                    At(xGradient, row, column) += (float)(At(outputGradient, i, column) / (double)(end - begin));
            }
        }
    }

    /// <summary>In double, as the paper has it, but with the decay of <see cref="AdamStep"/>.</summary>
    public override void Adam(Tensor parameter, Tensor gradient, Tensor mean, Tensor variance, in AdamStep step)
    {
        Shapes.Alike(nameof(Adam), gradient, parameter);
        Shapes.Alike(nameof(Adam), mean, parameter);
        Shapes.Alike(nameof(Adam), variance, parameter);
        for (var row = 0; row < parameter.Rows; row++)
        {
            for (var column = 0; column < parameter.Columns; column++)
            {
                double value = At(parameter, row, column);
                var g = ((double)At(gradient, row, column) * step.GradientScale)
                    + (step.IsDecoupled ? 0 : step.WeightDecay * value);
                var m = (step.Beta1 * (double)At(mean, row, column)) + ((1 - (double)step.Beta1) * g);
                var v = (step.Beta2 * (double)At(variance, row, column)) + ((1 - (double)step.Beta2) * g * g);
                At(mean, row, column) = (float)m;
                At(variance, row, column) = (float)v;
                var update = m / (1 - Math.Pow(step.Beta1, step.Step))
                    / (Math.Sqrt(v / (1 - Math.Pow(step.Beta2, step.Step))) + step.Epsilon);
                var decay = step.IsDecoupled ? step.WeightDecay * value : 0;
                At(parameter, row, column) = (float)(value - (step.LearningRate * (update + decay)));
            }
        }
    }

    public override void Fill(Tensor x, float value) => Set(x, (_, _) => value);

    /// <summary>output[rows[i]] += x[i], all terms of an element before it is rounded.</summary>
    private static void AddTo(Tensor output, Tensor x, int[] rows) => Set(output, (row, column) =>
        At(output, row, column) + Sum(rows.Length, i => rows[i] == row ? At(x, i, column) : 0));
}
