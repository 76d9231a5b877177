using Serving.Models.Safetensors;

namespace Serving.Models.Bert;

/// <summary>Checks that a checkpoint has nothing that belongs to the encoder and would be left out.</summary>
internal static class CheckpointNames
{
    private const string Prefix = "bert.";

    /// <summary>Where a tensor takes part in what the encoder computes.</summary>
    private static readonly string[] Parts = ["embeddings.", "encoder.", "pooler."];

    /// <summary>Not learned: they follow from the configuration.</summary>
    private static readonly string[] Buffers = ["embeddings.position_ids", "embeddings.token_type_ids"];

    /// <summary>Whether a checkpoint was saved with a pooler, or with a part of one.</summary>
    public static bool HavePooler(WeightFiles files) =>
        BertTensors.Spellings(BertTensors.PoolerWeight).Concat(BertTensors.Spellings(BertTensors.PoolerBias))
            .Any(files.Entries.ContainsKey);

    /// <exception cref="ModelFileException">A tensor of the encoder is unknown, or there under two names.</exception>
    public static void ThrowUnlessKnown(BertConfig config, WeightFiles files)
    {
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, _, _) in BertDigest.Parameters(config))
        {
            var there = BertTensors.Spellings(name).Distinct(StringComparer.Ordinal)
                .Where(files.Entries.ContainsKey).ToList();
            if (there.Count > 1)
            {
                throw new ModelFileException(
                    $"{files.Path} has both '{there[0]}' and '{there[1]}', which mean the same; one is needed.");
            }

            known.UnionWith(there);
        }

        foreach (var name in files.Entries.Keys.Except(known, StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            var isInside = name.StartsWith(Prefix, StringComparison.Ordinal);
            var bare = isInside ? name[Prefix.Length..] : name;
            if (!Buffers.Contains(bare)
                && (isInside || Parts.Any(part => bare.StartsWith(part, StringComparison.Ordinal))))
            {
                throw new ModelFileException(
                    $"{files.Path}: {files.Entries[name]} is no part of a BERT of {config.Layers} num_hidden_layers, "
                    + "as config.json has it, and may change what the model computes. Correct config.json, or remove "
                    + "the tensor.");
            }
        }
    }
}
