using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>One row of a step of <see cref="TensorBackend.Lstm"/>, or of its gradient.</summary>
internal unsafe struct LstmArguments
{
    /// <summary>4 hidden: input, forget, cell and output gate.</summary>
    public float* Gates;

    /// <summary>The cell state before the step; null for zeros.</summary>
    public float* Before;

    /// <summary>That behind it.</summary>
    public float* Cell;

    /// <summary>Forward alone.</summary>
    public float* Output;

    /// <summary>Of the output, from behind. This and what follows: backward alone.</summary>
    public float* OutputGradient;

    /// <summary>Of the output, from the next step.</summary>
    public float* HiddenGradient;

    /// <summary>Of the cell state, from the next step; it becomes that of the one before.</summary>
    public float* CellGradient;

    /// <summary>4 hidden; may be the gates.</summary>
    public float* GatesGradient;

    public int Hidden;
}

/// <summary>All of an LSTM's step but its products, in one pass. What fills no vector runs one by one, alike.</summary>
internal static unsafe class LstmKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>i, f, o = sigmoid, g = tanh; c = f c + i g; h = o tanh(c).</summary>
    public static void Forward(in LstmArguments row)
    {
        var j = 0;
        for (; j <= row.Hidden - TSimd.Count; j += TSimd.Count)
            ForwardAt(row, j);
        for (; j < row.Hidden; j++)
            LstmKernel<SimdScalar, float>.ForwardAt(row, j);
    }

    /// <summary>The chain rule through the same, with the gates as they were left.</summary>
    public static void Backward(in LstmArguments row)
    {
        var j = 0;
        for (; j <= row.Hidden - TSimd.Count; j += TSimd.Count)
            BackwardAt(row, j);
        for (; j < row.Hidden; j++)
            LstmKernel<SimdScalar, float>.BackwardAt(row, j);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ForwardAt(in LstmArguments row, int j)
    {
        var hidden = row.Hidden;
        var i = Sigmoid(TSimd.Load(row.Gates + j));
        var f = Sigmoid(TSimd.Load(row.Gates + hidden + j));
        var g = VectorMath<TSimd, TVec>.Tanh(TSimd.Load(row.Gates + (2 * hidden) + j));
        var o = Sigmoid(TSimd.Load(row.Gates + (3 * hidden) + j));
        var cell = TSimd.MultiplyAdd(f, Before(row, j), TSimd.Multiply(i, g));
        TSimd.Store(row.Gates + j, i);
        TSimd.Store(row.Gates + hidden + j, f);
        TSimd.Store(row.Gates + (2 * hidden) + j, g);
        TSimd.Store(row.Gates + (3 * hidden) + j, o);
        TSimd.Store(row.Cell + j, cell);
        TSimd.Store(row.Output + j, TSimd.Multiply(o, VectorMath<TSimd, TVec>.Tanh(cell)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void BackwardAt(in LstmArguments row, int j)
    {
        var hidden = row.Hidden;
        var one = TSimd.Create(1f);
        var i = TSimd.Load(row.Gates + j);
        var f = TSimd.Load(row.Gates + hidden + j);
        var g = TSimd.Load(row.Gates + (2 * hidden) + j);
        var o = TSimd.Load(row.Gates + (3 * hidden) + j);
        var tanh = VectorMath<TSimd, TVec>.Tanh(TSimd.Load(row.Cell + j));
        var dOutput = TSimd.Add(TSimd.Load(row.OutputGradient + j), TSimd.Load(row.HiddenGradient + j));
        var flatness = TSimd.Subtract(one, TSimd.Multiply(tanh, tanh));
        var dCell = TSimd.MultiplyAdd(
            TSimd.Multiply(dOutput, o), flatness, TSimd.Load(row.CellGradient + j));
        TSimd.Store(row.CellGradient + j, TSimd.Multiply(dCell, f));
        TSimd.Store(row.GatesGradient + j, TSimd.Multiply(TSimd.Multiply(dCell, g), Slope(i)));
        TSimd.Store(
            row.GatesGradient + hidden + j, TSimd.Multiply(TSimd.Multiply(dCell, Before(row, j)), Slope(f)));
        TSimd.Store(
            row.GatesGradient + (2 * hidden) + j,
            TSimd.Multiply(TSimd.Multiply(dCell, i), TSimd.Subtract(one, TSimd.Multiply(g, g))));
        TSimd.Store(
            row.GatesGradient + (3 * hidden) + j, TSimd.Multiply(TSimd.Multiply(dOutput, tanh), Slope(o)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Before(in LstmArguments row, int j) =>
        row.Before == null ? TSimd.Create(0f) : TSimd.Load(row.Before + j);

    /// <summary>1 / (1 + e^-x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Sigmoid(TVec x)
    {
        var one = TSimd.Create(1f);
        return TSimd.Divide(one, TSimd.Add(one, VectorMath<TSimd, TVec>.Exp(TSimd.Subtract(TSimd.Create(0f), x))));
    }

    /// <summary>A sigmoid's, from its value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Slope(TVec s) => TSimd.Multiply(s, TSimd.Subtract(TSimd.Create(1f), s));
}
