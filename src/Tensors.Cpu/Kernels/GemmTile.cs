using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Supplies a tile's two vectors of weights, one k after another.</summary>
internal interface IWeightSource<TVec>
    where TVec : struct
{
    void Next(out TVec first, out TVec second);
}

/// <summary>The inner loop of every matrix product: a tile of up to 14 rows by two vectors, in registers.</summary>
/// <remarks>
/// Each sum is one chain of multiply-adds over k in ascending order, also when k is split over several calls: the bits
/// of a row depend only on that row, the weights and the mask.
/// </remarks>
internal static unsafe class GemmTile<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>c[r, 0..2 vectors] (+)= Σ a[r, k] * w[k, 0..2 vectors] for the tile's rows.</summary>
    /// <param name="a">[rows, k], rows lie lda floats apart.</param>
    /// <param name="k">Terms of the sums.</param>
    /// <param name="c">[rows, 2 * Count], rows lie ldc floats apart.</param>
    /// <param name="accumulate">Whether the sums start from c's values rather than from zero.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TRows, TSource>(
        float* a, nint lda, TSource w, nint k, float* c, nint ldc, bool accumulate)
        where TRows : struct, IRowCount
        where TSource : struct, IWeightSource<TVec>
    {
        TVec c0a = default, c0b = default;
        TVec c1a = default, c1b = default;
        TVec c2a = default, c2b = default;
        TVec c3a = default, c3b = default;
        TVec c4a = default, c4b = default;
        TVec c5a = default, c5b = default;
        TVec c6a = default, c6b = default;
        TVec c7a = default, c7b = default;
        TVec c8a = default, c8b = default;
        TVec c9a = default, c9b = default;
        TVec c10a = default, c10b = default;
        TVec c11a = default, c11b = default;
        TVec c12a = default, c12b = default;
        TVec c13a = default, c13b = default;
        if (accumulate)
        {
            c0a = TSimd.Load(c);
            c0b = TSimd.Load(c + TSimd.Count);

            if (TRows.Value > 1)
            {
                c1a = TSimd.Load(c + ldc);
                c1b = TSimd.Load(c + ldc + TSimd.Count);
            }

            if (TRows.Value > 2)
            {
                c2a = TSimd.Load(c + (2 * ldc));
                c2b = TSimd.Load(c + (2 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 3)
            {
                c3a = TSimd.Load(c + (3 * ldc));
                c3b = TSimd.Load(c + (3 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 4)
            {
                c4a = TSimd.Load(c + (4 * ldc));
                c4b = TSimd.Load(c + (4 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 5)
            {
                c5a = TSimd.Load(c + (5 * ldc));
                c5b = TSimd.Load(c + (5 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 6)
            {
                c6a = TSimd.Load(c + (6 * ldc));
                c6b = TSimd.Load(c + (6 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 7)
            {
                c7a = TSimd.Load(c + (7 * ldc));
                c7b = TSimd.Load(c + (7 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 8)
            {
                c8a = TSimd.Load(c + (8 * ldc));
                c8b = TSimd.Load(c + (8 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 9)
            {
                c9a = TSimd.Load(c + (9 * ldc));
                c9b = TSimd.Load(c + (9 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 10)
            {
                c10a = TSimd.Load(c + (10 * ldc));
                c10b = TSimd.Load(c + (10 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 11)
            {
                c11a = TSimd.Load(c + (11 * ldc));
                c11b = TSimd.Load(c + (11 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 12)
            {
                c12a = TSimd.Load(c + (12 * ldc));
                c12b = TSimd.Load(c + (12 * ldc) + TSimd.Count);
            }

            if (TRows.Value > 13)
            {
                c13a = TSimd.Load(c + (13 * ldc));
                c13b = TSimd.Load(c + (13 * ldc) + TSimd.Count);
            }
        }

        // Every third row has an address that moves along; the others are one or two strides from these.
        var stride = lda * sizeof(float);
        var a0 = (byte*)a;
        var a3 = a0 + (3 * stride);
        var a6 = a0 + (6 * stride);
        var a9 = a0 + (9 * stride);
        var a12 = a0 + (12 * stride);
        for (; k > 0; k--)
        {
            w.Next(out var wa, out var wb);
            var x = TSimd.Create(*(float*)a0);
            c0a = TSimd.MultiplyAdd(wa, x, c0a);
            c0b = TSimd.MultiplyAdd(wb, x, c0b);
            if (TRows.Value > 1)
            {
                x = TSimd.Create(*(float*)(a0 + stride));
                c1a = TSimd.MultiplyAdd(wa, x, c1a);
                c1b = TSimd.MultiplyAdd(wb, x, c1b);
            }

            if (TRows.Value > 2)
            {
                x = TSimd.Create(*(float*)(a0 + (2 * stride)));
                c2a = TSimd.MultiplyAdd(wa, x, c2a);
                c2b = TSimd.MultiplyAdd(wb, x, c2b);
            }

            if (TRows.Value > 3)
            {
                x = TSimd.Create(*(float*)a3);
                c3a = TSimd.MultiplyAdd(wa, x, c3a);
                c3b = TSimd.MultiplyAdd(wb, x, c3b);
            }

            if (TRows.Value > 4)
            {
                x = TSimd.Create(*(float*)(a3 + stride));
                c4a = TSimd.MultiplyAdd(wa, x, c4a);
                c4b = TSimd.MultiplyAdd(wb, x, c4b);
            }

            if (TRows.Value > 5)
            {
                x = TSimd.Create(*(float*)(a3 + (2 * stride)));
                c5a = TSimd.MultiplyAdd(wa, x, c5a);
                c5b = TSimd.MultiplyAdd(wb, x, c5b);
            }

            if (TRows.Value > 6)
            {
                x = TSimd.Create(*(float*)a6);
                c6a = TSimd.MultiplyAdd(wa, x, c6a);
                c6b = TSimd.MultiplyAdd(wb, x, c6b);
            }

            if (TRows.Value > 7)
            {
                x = TSimd.Create(*(float*)(a6 + stride));
                c7a = TSimd.MultiplyAdd(wa, x, c7a);
                c7b = TSimd.MultiplyAdd(wb, x, c7b);
            }

            if (TRows.Value > 8)
            {
                x = TSimd.Create(*(float*)(a6 + (2 * stride)));
                c8a = TSimd.MultiplyAdd(wa, x, c8a);
                c8b = TSimd.MultiplyAdd(wb, x, c8b);
            }

            if (TRows.Value > 9)
            {
                x = TSimd.Create(*(float*)a9);
                c9a = TSimd.MultiplyAdd(wa, x, c9a);
                c9b = TSimd.MultiplyAdd(wb, x, c9b);
            }

            if (TRows.Value > 10)
            {
                x = TSimd.Create(*(float*)(a9 + stride));
                c10a = TSimd.MultiplyAdd(wa, x, c10a);
                c10b = TSimd.MultiplyAdd(wb, x, c10b);
            }

            if (TRows.Value > 11)
            {
                x = TSimd.Create(*(float*)(a9 + (2 * stride)));
                c11a = TSimd.MultiplyAdd(wa, x, c11a);
                c11b = TSimd.MultiplyAdd(wb, x, c11b);
            }

            if (TRows.Value > 12)
            {
                x = TSimd.Create(*(float*)a12);
                c12a = TSimd.MultiplyAdd(wa, x, c12a);
                c12b = TSimd.MultiplyAdd(wb, x, c12b);
            }

            if (TRows.Value > 13)
            {
                x = TSimd.Create(*(float*)(a12 + stride));
                c13a = TSimd.MultiplyAdd(wa, x, c13a);
                c13b = TSimd.MultiplyAdd(wb, x, c13b);
            }

            a0 += sizeof(float);
            if (TRows.Value > 3)
                a3 += sizeof(float);
            if (TRows.Value > 6)
                a6 += sizeof(float);
            if (TRows.Value > 9)
                a9 += sizeof(float);
            if (TRows.Value > 12)
                a12 += sizeof(float);
        }

        TSimd.Store(c, c0a);
        TSimd.Store(c + TSimd.Count, c0b);

        if (TRows.Value > 1)
        {
            TSimd.Store(c + ldc, c1a);
            TSimd.Store(c + ldc + TSimd.Count, c1b);
        }

        if (TRows.Value > 2)
        {
            TSimd.Store(c + (2 * ldc), c2a);
            TSimd.Store(c + (2 * ldc) + TSimd.Count, c2b);
        }

        if (TRows.Value > 3)
        {
            TSimd.Store(c + (3 * ldc), c3a);
            TSimd.Store(c + (3 * ldc) + TSimd.Count, c3b);
        }

        if (TRows.Value > 4)
        {
            TSimd.Store(c + (4 * ldc), c4a);
            TSimd.Store(c + (4 * ldc) + TSimd.Count, c4b);
        }

        if (TRows.Value > 5)
        {
            TSimd.Store(c + (5 * ldc), c5a);
            TSimd.Store(c + (5 * ldc) + TSimd.Count, c5b);
        }

        if (TRows.Value > 6)
        {
            TSimd.Store(c + (6 * ldc), c6a);
            TSimd.Store(c + (6 * ldc) + TSimd.Count, c6b);
        }

        if (TRows.Value > 7)
        {
            TSimd.Store(c + (7 * ldc), c7a);
            TSimd.Store(c + (7 * ldc) + TSimd.Count, c7b);
        }

        if (TRows.Value > 8)
        {
            TSimd.Store(c + (8 * ldc), c8a);
            TSimd.Store(c + (8 * ldc) + TSimd.Count, c8b);
        }

        if (TRows.Value > 9)
        {
            TSimd.Store(c + (9 * ldc), c9a);
            TSimd.Store(c + (9 * ldc) + TSimd.Count, c9b);
        }

        if (TRows.Value > 10)
        {
            TSimd.Store(c + (10 * ldc), c10a);
            TSimd.Store(c + (10 * ldc) + TSimd.Count, c10b);
        }

        if (TRows.Value > 11)
        {
            TSimd.Store(c + (11 * ldc), c11a);
            TSimd.Store(c + (11 * ldc) + TSimd.Count, c11b);
        }

        if (TRows.Value > 12)
        {
            TSimd.Store(c + (12 * ldc), c12a);
            TSimd.Store(c + (12 * ldc) + TSimd.Count, c12b);
        }

        if (TRows.Value > 13)
        {
            TSimd.Store(c + (13 * ldc), c13a);
            TSimd.Store(c + (13 * ldc) + TSimd.Count, c13b);
        }
    }

    /// <summary>The same for a row count that is known at run time.</summary>
    /// <param name="rows">1 to MaxRows.</param>
    public static void Run<TSource>(
        int rows, float* a, nint lda, TSource w, nint k, float* c, nint ldc, bool accumulate)
        where TSource : struct, IWeightSource<TVec>
    {
        switch (rows)
        {
            case 1: Run<Rows1, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 2: Run<Rows2, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 3: Run<Rows3, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 4: Run<Rows4, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 5: Run<Rows5, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 6: Run<Rows6, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 7: Run<Rows7, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 8: Run<Rows8, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 9: Run<Rows9, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 10: Run<Rows10, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 11: Run<Rows11, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 12: Run<Rows12, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 13: Run<Rows13, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            case 14: Run<Rows14, TSource>(a, lda, w, k, c, ldc, accumulate); break;
            default: throw new ArgumentOutOfRangeException(nameof(rows));
        }
    }
}
