using Serving.Tensors.Tests.Reference;

namespace Serving.Tensors.Tests.Conformance;

/// <summary>Linear layers through masks, and products with unpacked weights.</summary>
public abstract class LinearSuite<TBackends>
    where TBackends : ITestBackends
{
    public static TheoryData<string> Names => [.. TBackends.Names];

    public static TheoryData<string, int, int, int> Sizes()
    {
        var sizes = new TheoryData<string, int, int, int>();
        foreach (var name in TBackends.Names)
        {
            foreach (var rows in new[] { 1, 2, 3, 5, 7, 13, 14, 15, 29 })
                sizes.Add(name, rows, 33, 19);
            foreach (var outFeatures in new[] { 1, 2, 31, 32, 34, 64, 95 })
                sizes.Add(name, 9, outFeatures, 7);
            foreach (var inFeatures in new[] { 1, 31, 255, 256, 257, 600 })
                sizes.Add(name, 6, 40, inFeatures);
        }

        return sizes;
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Linear_AnySize_MatchesTheFormula(string name, int rows, int outFeatures, int inFeatures)
    {
        using var backend = TBackends.Create(name, threads: 2);
        var x = Values.Random(rows * inFeatures, seed: 1);
        var w = Values.Random(outFeatures * inFeatures, seed: 2);
        var keep = Values.RandomBits(outFeatures * inFeatures, keep: 0.7, seed: 3);

        Derivative.AssertClose(
            Formula(x, w, keep: null, rows, inFeatures),
            Product(backend, x, w, keep: null, rows, outFeatures, inFeatures), Tolerance.Product);
        Derivative.AssertClose(
            Formula(x, w, keep, rows, inFeatures),
            Product(backend, x, w, keep, rows, outFeatures, inFeatures), Tolerance.Product);
    }

    /// <summary>A slice is its part of the whole product and touches nothing beside; disposing it frees nothing.
    /// </summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Linear_OfASlice_IsItsPartOfTheWholeProduct(string name)
    {
        const int rows = 7;
        const int outFeatures = 200;
        const int inFeatures = 45;
        using var backend = TBackends.Create(name, threads: 2);
        var w = Values.Random(outFeatures * inFeatures, seed: 11);
        var x = Values.Random(rows * inFeatures, seed: 12);
        using var unpacked = Values.Tensor(backend, outFeatures, inFeatures, w);
        using var input = Values.Tensor(backend, rows, inFeatures, x);
        foreach (var format in Enum.GetValues<WeightFormat>())
        {
            using var weight = backend.PackWeight([unpacked], format);
            using var whole = backend.Allocate(rows, outFeatures);
            backend.Linear(input, weight, default, [], Activation.Gelu, default, whole);
            foreach (var (blocks, features) in ((int, int)[])[(0, 200), (0, 1), (1, 32), (2, 33), (3, 100), (6, 8)])
            {
                var first = blocks * Math.Max(backend.SliceFeatures, 30);
                var count = Math.Min(features, outFeatures - first);
                using var slice = weight.Slice(first, count);
                using var output = backend.Allocate(rows, outFeatures);
                backend.Fill(output, 5f);
                backend.Linear(
                    input, slice, default, [], Activation.Gelu, default, output.SliceColumns(first, count));
                Derivative.AssertClose(
                    [.. whole.SliceColumns(first, count).ToArray().Select(value => (double)value)],
                    output.SliceColumns(first, count).ToArray(), Tolerance.Product);
                float[] beside =
                [
                    .. output.SliceColumns(0, first).ToArray(),
                    .. output.SliceColumns(first + count, outFeatures - first - count).ToArray()
                ];
                Assert.All(beside, value => Assert.Equal(5f, value));
            }
        }

        using var again = backend.PackWeight([unpacked]);
        Assert.Throws<ShapeException>(() => again.Slice(0, 0));
        Assert.Throws<ShapeException>(() => again.Slice(0, 201));
        Assert.Throws<ShapeException>(() => again.Slice(-backend.SliceFeatures, 5));
        if (backend.SliceFeatures > 1)
            Assert.Throws<ShapeException>(() => again.Slice(1, 5));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Linear_BFloat16_IsTheProductWithRoundedWeights(string name)
    {
        (uint Weight, uint Rounded)[] cases =
        [
            (0x3F800000, 0x3F800000), // 1 is as it is.
            (0x3F808000, 0x3F800000), // A tie goes to the even neighbour below,
            (0x3F818000, 0x3F820000), // or above.
            (0x3F808001, 0x3F810000),
            (0xBF80FFFF, 0xBF810000)
        ];
        using var backend = TBackends.Create(name);
        float[] w = [.. cases.Select(pair => BitConverter.UInt32BitsToSingle(pair.Weight))];

        var product = Product(backend, [1], w, keep: null, 1, w.Length, 1, WeightFormat.BFloat16);

        Assert.Equal(cases.Select(pair => pair.Rounded), Values.Bits(product));
        Assert.Equal(Values.Bits(w), Values.Bits(Product(backend, [1], w, keep: null, 1, w.Length, 1)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Linear_Int8_IsTheProductWithRoundedWeights(string name)
    {
        const int inFeatures = 65; // A block, and one of a single weight.
        (float[] First, float Alone, float[] Rounded)[] rows =
        [
            ([127, 1.5f, 2.5f, -0.5f, 0.49f, -126.6f], 3, [127, 2, 2, 0, 0, -127]), // A scale of 1, ties to even.
            ([0, 0, 0, 0, 0, 0], 0, [0, 0, 0, 0, 0, 0]),
            ([4, -1270, 5, 15, 16, -26], -8, [0, -1270, 0, 20, 20, -30]), // An outlier makes the scale 10.
            ([1e-45f, 0, 0, 0, 0, 0], 1, [0, 0, 0, 0, 0, 0]) // Too little for a scale.
        ];
        using var backend = TBackends.Create(name);
        var w = new float[rows.Length * inFeatures];
        var x = new float[inFeatures * inFeatures]; // The identity: the product is the weights.
        for (var k = 0; k < inFeatures; k++)
            x[(k * inFeatures) + k] = 1;
        for (var row = 0; row < rows.Length; row++)
        {
            rows[row].First.CopyTo(w, row * inFeatures);
            w[(row * inFeatures) + 64] = rows[row].Alone;
        }

        var product = Product(backend, x, w, keep: null, inFeatures, rows.Length, inFeatures, WeightFormat.Int8);

        for (var row = 0; row < rows.Length; row++)
        {
            for (var k = 0; k < rows[row].Rounded.Length; k++)
                Assert.Equal(rows[row].Rounded[k], product[(k * rows.Length) + row]);
            Assert.Equal(rows[row].Alone, product[(64 * rows.Length) + row], Tolerance.Operation);
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Linear_Int8_IsOffByHalfAScaleOfEachWeightAtMost(
        string name, int rows, int outFeatures, int inFeatures)
    {
        using var backend = TBackends.Create(name, threads: 2);
        var x = Values.Random(rows * inFeatures, seed: 4);
        var w = Values.Random(outFeatures * inFeatures, seed: 5);
        var exact = Formula(x, w, keep: null, rows, inFeatures);

        var product = Product(backend, x, w, keep: null, rows, outFeatures, inFeatures, WeightFormat.Int8);

        for (var i = 0; i < product.Length; i++)
        {
            var inputs = x.Skip(i / outFeatures * inFeatures).Take(inFeatures).Chunk(64);
            var weights = w.Skip(i % outFeatures * inFeatures).Take(inFeatures).Chunk(64);
            var most = inputs.Zip(weights, (input, weight) =>
                input.Sum(value => (double)Math.Abs(value)) * weight.Max(Math.Abs) / 127 / 2).Sum();
            Assert.Equal(exact[i], product[i], most + Tolerance.Product);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void PackWeight_Int8OfNonNumbers_IsRefused(string name)
    {
        using var backend = TBackends.Create(name);
        foreach (var odd in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            var values = Values.Random(70 * 3, seed: 6);
            values[100] = odd;
            using var dense = Values.Tensor(backend, 3, 70, values);
            var before = backend.AllocatedBytes;

            Assert.Throws<NotFiniteNumberException>(() => backend.PackWeight([dense], WeightFormat.Int8));

            Assert.Equal(before, backend.AllocatedBytes);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Linear_DroppedNonNumbers_CountAsZero(string name)
    {
        const int outFeatures = 40;
        const int inFeatures = 9;
        using var backend = TBackends.Create(name);
        var x = Values.Random(3 * inFeatures, seed: 7);
        var w = Values.Random(outFeatures * inFeatures, seed: 8);
        var keep = Values.RandomBits(w.Length, keep: 0.5, seed: 9);
        var zeroed = w.ToArray();
        float[] odd = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, -0f];
        for (var i = 0; i < w.Length; i++)
        {
            if (Values.Bit(keep, i))
                continue;
            w[i] = odd[i % odd.Length];
            zeroed[i] = 0f;
        }

        foreach (var format in new[] { WeightFormat.Float32, WeightFormat.BFloat16 }) // int8 has numbers only.
        {
            Assert.Equal(
                Values.Bits(Product(backend, x, zeroed, keep: null, 3, outFeatures, inFeatures, format)),
                Values.Bits(Product(backend, x, w, keep, 3, outFeatures, inFeatures, format)));
        }
    }

    /// <summary>Segments of many lengths, and neighbours of equal ones, which a device may multiply at once.</summary>
    public static TheoryData<string, int[]> Segments()
    {
        var segments = new TheoryData<string, int[]>();
        foreach (var name in TBackends.Names)
        {
            segments.Add(name, [1, 0, 17, 2, 30, 1, 14]);
            segments.Add(name, [3, 3, 3, 0, 3, 2, 2, 5, 5, 5]);
        }

        return segments;
    }

    [Theory]
    [MemberData(nameof(Segments))]
    public void Linear_ManySegments_GivesEachRowItsSingleRun(string name, int[] segmentRows)
    {
        const int outFeatures = 70;
        const int inFeatures = 300;
        var rows = segmentRows.Sum();
        using var backend = TBackends.Create(name, threads: 2);
        var x = Values.Random(rows * inFeatures, seed: 10);
        using var dense = Values.Tensor(
            backend, outFeatures, inFeatures, Values.Random(outFeatures * inFeatures, seed: 11));
        using var weight = backend.PackWeight([dense]);
        using var masks = backend.AllocateMasks([(outFeatures, inFeatures), (outFeatures, inFeatures)]);
        for (var i = 0; i < masks.Masks.Count; i++)
            masks.Masks[i].Write(0, outFeatures, Values.RandomBits(outFeatures * inFeatures, keep: 0.9, seed: 12 + i));
        PackedMask?[] choices = [null, masks.Masks[0], masks.Masks[1]];
        RowSegment[] segments = [.. segmentRows.Select((count, i) => new RowSegment(count, choices[i % 3]))];
        PackedMask?[] maskOfRow = [.. segments.SelectMany(segment => Enumerable.Repeat(segment.Mask, segment.Rows))];
        using var input = Values.Tensor(backend, rows, inFeatures, x);
        using var output = backend.Allocate(rows, outFeatures);

        backend.Linear(input, weight, bias: default, segments, Activation.None, residual: default, output);

        using var alone = backend.Allocate(1, outFeatures);
        for (var row = 0; row < rows; row++)
        {
            RowSegment[] own = [new(1, maskOfRow[row])];
            backend.Linear(input.Slice(row, 1), weight, default, own, Activation.None, default, alone);
            Values.AssertSame(
                backend, Determinism.BatchInvariant, alone.ToArray(), output.Slice(row, 1).ToArray(),
                Tolerance.Product);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Linear_BiasActivationAndResidual_AreAddedInThisOrder(string name)
    {
        const int rows = 4;
        const int features = 37;
        using var backend = TBackends.Create(name);
        var x = Values.Random(rows * features, seed: 14);
        var w = Values.Random(features * features, seed: 15);
        var bias = Values.Random(features, seed: 16);
        var residual = Values.Random(rows * features, seed: 17);
        using var input = Values.Tensor(backend, rows, features, x);
        using var dense = Values.Tensor(backend, features, features, w);
        using var weight = backend.PackWeight([dense]);
        using var biasTensor = Values.Tensor(backend, 1, features, bias);
        using var residualTensor = Values.Tensor(backend, rows, features, residual);
        using var output = backend.Allocate(rows, features);
        var product = Formula(x, w, keep: null, rows, features);

        foreach (var activation in Enum.GetValues<Activation>())
        {
            backend.Linear(input, weight, biasTensor, [], activation, residualTensor, output);
            var actual = output.ToArray();
            for (var i = 0; i < actual.Length; i++)
            {
                var expected = Formulas.Activate(product[i] + bias[i % features], activation) + residual[i];
                Assert.Equal(expected, actual[i], Tolerance.Operation);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Linear_ViewsOfColumns_TouchNothingBesides(string name)
    {
        using var backend = TBackends.Create(name);
        using var dense = Values.Tensor(backend, 5, 6, Values.Random(30, seed: 18));
        using var weight = backend.PackWeight([dense]);
        using var input = Values.Tensor(backend, 2, 10, Values.Random(20, seed: 19));
        using var whole = Values.Tensor(backend, 2, 9, [.. Enumerable.Repeat(77f, 18)]);

        backend.Linear(
            input.SliceColumns(3, 6), weight, default, [], Activation.None, default, whole.SliceColumns(2, 5));

        var values = whole.ToArray();
        Assert.All(new[] { 0, 1, 7, 8, 9, 10, 16, 17 }, i => Assert.Equal(77f, values[i]));
        Assert.DoesNotContain(77f, values[2..7]);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Linear_StackedWeights_AreTheirProductsSideBySide(string name)
    {
        using var backend = TBackends.Create(name);
        using var first = Values.Tensor(backend, 5, 8, Values.Random(40, seed: 20));
        using var second = Values.Tensor(backend, 30, 8, Values.Random(240, seed: 21));
        using var stacked = backend.PackWeight([first, second]);
        using var input = Values.Tensor(backend, 3, 8, Values.Random(24, seed: 22));
        using var output = backend.Allocate(3, 35);

        backend.Linear(input, stacked, default, [], Activation.None, default, output);

        Derivative.AssertClose(
            Formula(input.ToArray(), first.ToArray(), keep: null, 3, 8), output.SliceColumns(0, 5).ToArray(),
            Tolerance.Product);
        Derivative.AssertClose(
            Formula(input.ToArray(), second.ToArray(), keep: null, 3, 8), output.SliceColumns(5, 30).ToArray(),
            Tolerance.Product);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Project_IsTheProductWithItsBias(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        var x = Values.Random(50 * 37, seed: 23);
        var w = Values.Random(3 * 37, seed: 24);
        var bias = Values.Random(3, seed: 25);
        using var input = Values.Tensor(backend, 50, 37, x);
        using var weight = Values.Tensor(backend, 3, 37, w);
        using var biasTensor = Values.Tensor(backend, 1, 3, bias);
        using var output = backend.Allocate(50, 3);
        var product = Formula(x, w, keep: null, 50, 37);

        backend.Project(input, weight, bias: default, output);
        Derivative.AssertClose(product, output.ToArray(), Tolerance.Product);
        backend.Project(input, weight, biasTensor, output);
        Derivative.AssertClose(
            [.. product.Select((value, i) => value + bias[i % 3])], output.ToArray(), Tolerance.Product);
    }

    /// <summary>x (w ⊙ keep)ᵀ in double.</summary>
    private static double[] Formula(float[] x, float[] w, byte[]? keep, int rows, int inFeatures)
    {
        var outFeatures = w.Length / inFeatures;
        return [.. Enumerable.Range(0, rows * outFeatures).Select(i =>
        {
            var (row, feature) = (i / outFeatures, i % outFeatures);
            return Enumerable.Range(0, inFeatures)
                .Where(k => keep is null || Values.Bit(keep, (feature * inFeatures) + k))
                .Sum(k => (double)x[(row * inFeatures) + k] * w[(feature * inFeatures) + k]);
        })];
    }

    private static float[] Product(
        TensorBackend backend,
        float[] x,
        float[] w,
        byte[]? keep,
        int rows,
        int outFeatures,
        int inFeatures,
        WeightFormat format = WeightFormat.Float32)
    {
        using var input = Values.Tensor(backend, rows, inFeatures, x);
        using var dense = Values.Tensor(backend, outFeatures, inFeatures, w);
        using var weight = backend.PackWeight([dense], format);
        using var masks = backend.AllocateMasks([(outFeatures, inFeatures)]);
        using var output = backend.Allocate(rows, outFeatures);
        RowSegment[] segments = [];
        if (keep is not null)
        {
            masks.Masks[0].Write(0, outFeatures, keep);
            segments = [new(rows, masks.Masks[0])];
        }

        backend.Linear(input, weight, default, segments, Activation.None, default, output);
        return output.ToArray();
    }
}
