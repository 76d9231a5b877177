using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Models.Safetensors;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Models.Tests.Gpt2;

/// <summary>A trained model that sorts three letters, with every intermediate result of its first layer.</summary>
public sealed class NanoSortTests
{
    private const string Partials = "fixtures/gpt-nano-sort/gpt-nano-sort-partials.safetensors";
    private const int Sequences = 3;
    private const int Tokens = NanoSort.Positions;
    private const int Hidden = NanoSort.Hidden;
    private const int Heads = NanoSort.Heads;

    /// <summary>Relative to the largest value of each result, all computed in float32. Measured 6.0e-7.</summary>
    private const double Tolerance = 3e-6;

    [SharedFact(NanoSort.Model)]
    public void Forward_EveryStoredResult_IsTheSame()
    {
        using var folder = new TemporaryFolder();
        NanoSort.Write(folder.Path);
        using var stored = SafetensorsFile.Open(SharedFiles.At(Partials));
        using var backend = new CpuBackend(2);
        using var decoder = new Gpt2Folder(folder.Path).LoadDecoder(backend);
        using var run = new Gpt2Run(decoder);
        int[] ids = [.. Read(stored, "idx").Select(id => (int)id)];
        var seen = new Dictionary<string, float[]>();

        var logits = run.Step(
            [.. ids.Chunk(Tokens).Select(sequence => (new CachedSequence(KeyValueCache.BlockTokens), sequence))],
            (name, output) => seen[name] = output.ToArray());

        seen["logits"] = [.. logits.SelectMany(rows => rows)];
        foreach (var (name, actual) in Results(seen, ids))
            AssertClose(name, Read(stored, name), actual);
        Assert.Equal(
            stored.Entries.Keys.Where(name => name != "idx").Order(), Results(seen, ids).Select(r => r.Name).Order());
    }

    /// <summary>All that is stored, from what the decoder shows; its larger steps are taken apart here.</summary>
    private static IEnumerable<(string Name, float[] Values)> Results(Dictionary<string, float[]> seen, int[] ids)
    {
        using var model = SafetensorsFile.Open(SharedFiles.At(NanoSort.Model));
        float[] Weights(string name) => Read(model, "transformer." + name);
        var tokens = Weights("wte.weight");
        var qkv = seen["h.0.attn.c_attn"];
        var scores = Scores(qkv);
        yield return ("tok_emb", [.. ids.SelectMany(id => tokens[(id * Hidden)..((id + 1) * Hidden)])]);
        yield return ("pos_emb", Weights("wpe.weight"));
        yield return ("x", seen["embeddings"]);
        yield return ("ln1", seen["h.0.ln_1"]);
        yield return ("qkv", qkv);
        yield return ("q", ByHead(qkv, 0));
        yield return ("k", ByHead(qkv, Hidden));
        yield return ("v", ByHead(qkv, 2 * Hidden));
        yield return ("att", scores);
        yield return ("attSm", Softmax(scores, Tokens));
        yield return ("y", seen["h.0.attn.context"]);
        yield return ("yProj", Difference(seen["h.0.attn"], seen["embeddings"]));
        yield return ("attnResid", seen["h.0.attn"]);
        yield return ("ln2", seen["h.0.ln_2"]);
        yield return ("fc", Linear(seen["h.0.ln_2"], Weights("h.0.mlp.c_fc.weight"), Weights("h.0.mlp.c_fc.bias")));
        yield return ("gelu", seen["h.0.mlp.act"]);
        yield return ("mlp", Difference(seen["h.0"], seen["h.0.attn"]));
        yield return ("mlpResid", seen["h.0"]);
        for (var layer = 0; layer < 3; layer++)
            yield return ($"block{layer}", seen[$"h.{layer}"]);
        yield return ("ln_f", seen["ln_f"]);
        yield return ("lm_head", seen["logits"]);
        yield return ("probs", Softmax(seen["logits"], 3));
    }

    /// <summary>[sequence, token, 3 * hidden] as [sequence, head, token, headDim].</summary>
    private static float[] ByHead(float[] qkv, int first)
    {
        const int headDim = Hidden / Heads;
        var values = new List<float>();
        for (var sequence = 0; sequence < Sequences; sequence++)
        {
            for (var head = 0; head < Heads; head++)
            {
                for (var token = 0; token < Tokens; token++)
                {
                    var at = (((sequence * Tokens) + token) * 3 * Hidden) + first + (head * headDim);
                    values.AddRange(qkv.AsSpan(at, headDim));
                }
            }
        }

        return [.. values];
    }

    /// <summary>[sequence, head, token, token], -infinity where a token lies behind.</summary>
    private static float[] Scores(float[] qkv)
    {
        const int headDim = Hidden / Heads;
        var (queries, keys) = (ByHead(qkv, 0), ByHead(qkv, Hidden));
        var scores = new float[Sequences * Heads * Tokens * Tokens];
        for (var i = 0; i < scores.Length; i++)
        {
            var (head, row, column) = (i / (Tokens * Tokens), i / Tokens % Tokens, i % Tokens);
            var product = Enumerable.Range(0, headDim).Sum(d =>
                (double)queries[(((head * Tokens) + row) * headDim) + d]
                * keys[(((head * Tokens) + column) * headDim) + d]);
            scores[i] = column > row ? float.NegativeInfinity : (float)(product / Math.Sqrt(headDim));
        }

        return scores;
    }

    private static float[] Softmax(float[] values, int columns) =>
    [
        .. values.Chunk(columns).SelectMany(row =>
        {
            var total = row.Sum(value => Math.Exp(value - row.Max()));
            return row.Select(value => (float)(Math.Exp(value - row.Max()) / total));
        })
    ];

    private static float[] Linear(float[] x, float[] weight, float[] bias) =>
    [
        .. x.Chunk(Hidden).SelectMany(row => bias.Select((added, i) =>
            (float)(row.Select((value, k) => (double)value * weight[(i * Hidden) + k]).Sum() + added)))
    ];

    private static float[] Difference(float[] sum, float[] term) => [.. sum.Zip(term, (a, b) => a - b)];

    private static float[] Read(SafetensorsFile file, string name)
    {
        var values = new float[file.Entry(name).ByteCount / sizeof(float)];
        file.ReadFloats(name, 0, values);
        return values;
    }

    private static void AssertClose(string name, float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        var largest = expected.Where(float.IsFinite).Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(
                expected[i] == actual[i] || Math.Abs(expected[i] - actual[i]) <= Tolerance * largest,
                $"{name}[{i}] is {actual[i]}; {expected[i]} is needed.");
        }
    }
}
