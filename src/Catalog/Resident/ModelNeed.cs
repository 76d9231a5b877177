using Serving.Models;
using Serving.Models.Gpt2;
using Serving.Models.Lstm;
using Serving.Tensors;

namespace Serving.Catalog.Resident;

/// <summary>About how much of a device a model takes, known before it is read.</summary>
public static class ModelNeed
{
    private const int MatricesPerLayer = 12; // hidden x hidden each: 4 of attention, 2 x 4 of the feed-forward layer.
    private const int RowsOfHidden = 10; // Of a workspace, for each token: hidden states, attention, feed-forward.

    /// <summary>Parameters of a model of a shape.</summary>
    public static long Parameters(ModelShape shape) => Matrices(shape) + Embeddings(shape);

    /// <summary>Bytes of the parameters, of what lanes need for their batches, and of keys and values.</summary>
    public static long OfServing(ModelShape shape, ModelHostOptions options, int lanes) =>
        shape.Kind is Gpt2Folder.Kind or LstmFolder.Kind
            ? OfWriting(shape, options)
            : OfEncoding(shape, options, lanes);

    private static long OfEncoding(ModelShape shape, ModelHostOptions options, int lanes)
    {
        var tokens = (long)lanes * Math.Max(options.MaxBatchTokens, shape.MaxTokens);
        return options.WeightFormat.Bytes(Matrices(shape))
            + (sizeof(float) * (Embeddings(shape) + (tokens * RowsOfHidden * shape.Hidden)));
    }

    /// <remarks>As if the word embeddings were not the output matrix, which some models' are not.</remarks>
    private static long OfWriting(ModelShape shape, ModelHostOptions options)
    {
        var output = (long)shape.Vocabulary * shape.Hidden;
        var cached = shape.Kind == LstmFolder.Kind
            ? options.MaxSequences // A state each.
            : Math.Max(options.MaxCachedTokens, shape.MaxTokens);
        var cache = (long)cached * shape.Layers * 2 * shape.Hidden;
        var workspace = ((long)options.MaxStepTokens * RowsOfHidden * shape.Hidden)
            + ((long)options.MaxSequences * shape.Vocabulary);
        return options.GeneratorWeightFormat.Bytes(Matrices(shape) + output)
            + (sizeof(float) * (Embeddings(shape) + cache + workspace));
    }

    private static long Matrices(ModelShape shape) =>
        (long)MatricesPerLayer * shape.Layers * shape.Hidden * shape.Hidden;

    private static long Embeddings(ModelShape shape) => ((long)shape.Vocabulary + shape.MaxTokens) * shape.Hidden;
}
