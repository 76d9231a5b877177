namespace Serving.Tensors.Cpu.Kernels;

/// <summary>The operations of one vector width. Kernels are written once, over this.</summary>
/// <typeparam name="TVec">The vector: Vector512, Vector256, Vector128 of float, or float itself.</typeparam>
internal unsafe interface ISimd<TVec>
    where TVec : struct
{
    /// <summary>Floats in a vector.</summary>
    static abstract int Count { get; }

    /// <summary>Most rows of a matrix product's tile that keep their sums in registers.</summary>
    static abstract int MaxRows { get; }

    static abstract string Name { get; }

    /// <summary>What the processor must have, in words.</summary>
    static abstract string Needs { get; }

    /// <summary>Whether the processor has that, and the runtime's settings let it be used.</summary>
    static abstract bool IsSupported { get; }

    static abstract TVec Load(float* source);

    static abstract void Store(float* destination, TVec value);

    static abstract TVec Create(float value);

    static abstract TVec Add(TVec a, TVec b);

    static abstract TVec Subtract(TVec a, TVec b);

    static abstract TVec Multiply(TVec a, TVec b);

    static abstract TVec Divide(TVec a, TVec b);

    /// <summary>a * b + c, rounded once where the processor can.</summary>
    static abstract TVec MultiplyAdd(TVec a, TVec b, TVec c);

    /// <summary>The larger; b when one of them is NaN, on processors with x86 rules.</summary>
    static abstract TVec Max(TVec a, TVec b);

    /// <summary>The smaller; b when one of them is NaN, on processors with x86 rules.</summary>
    static abstract TVec Min(TVec a, TVec b);

    /// <summary>To the nearest whole number, ties to even.</summary>
    static abstract TVec Round(TVec a);

    /// <summary>a * 2^exponent for whole exponents from -126 to 127.</summary>
    static abstract TVec ScaleByPowerOfTwo(TVec a, TVec exponent);

    static abstract TVec SquareRoot(TVec a);

    /// <summary>The value where the score is above the threshold, +0 elsewhere.</summary>
    static abstract TVec KeepAbove(TVec score, TVec threshold, TVec value);

    static abstract float Sum(TVec a);

    static abstract float MaxElement(TVec a);

    /// <summary>Two vectors, one after the other, through a mask: an element whose bit is 0 becomes +0.</summary>
    /// <param name="source">2 * Count weights.</param>
    /// <param name="bits">The 32 bits of the panel's row.</param>
    /// <param name="column">Which column of the panel the first element is; a multiple of 2 * Count.</param>
    static abstract void LoadMasked(float* source, uint* bits, int column, out TVec first, out TVec second);

    /// <summary>The same for bfloat16.</summary>
    static abstract void LoadMasked(ushort* source, uint* bits, int column, out TVec first, out TVec second);

    /// <summary>Two vectors of bfloat16, widened.</summary>
    static abstract void LoadWidened(ushort* source, out TVec first, out TVec second);

    /// <summary>Two vectors of int8, widened.</summary>
    static abstract void LoadWidened(sbyte* source, out TVec first, out TVec second);

    /// <summary>Puts two vectors through a mask: an element whose bit is 0 becomes +0.</summary>
    /// <param name="bits">The 32 bits of the panel's row.</param>
    /// <param name="column">Which column of the panel the first element is; a multiple of 2 * Count.</param>
    static abstract void Keep(uint* bits, int column, ref TVec first, ref TVec second);
}
