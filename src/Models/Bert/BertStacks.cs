namespace Serving.Models.Bert;

/// <summary>Which matrices of a layer share their input and are multiplied as one.</summary>
internal static class BertStacks
{
    private static readonly BertMatrix[][] Inside =
    [
        [BertMatrix.Query, BertMatrix.Key, BertMatrix.Value],
        [BertMatrix.AttentionOutput],
        [BertMatrix.Intermediate],
        [BertMatrix.Output]
    ];

    // Of the last layer only [CLS] is used: keys and values run on all tokens, the rest on that one.
    private static readonly BertMatrix[][] Last =
    [
        [BertMatrix.Key, BertMatrix.Value],
        [BertMatrix.AttentionOutput],
        [BertMatrix.Intermediate],
        [BertMatrix.Output],
        [BertMatrix.Query]
    ];

    /// <summary>Index of the stack that keys and values, and queries but in the last layer, are in.</summary>
    public const int Attention = 0;

    public const int AttentionOutput = 1;

    public const int Intermediate = 2;

    public const int Output = 3;

    /// <summary>The queries of the last layer.</summary>
    public const int LastQuery = 4;

    public static BertMatrix[][] OfLayer(BertConfig config, int layer) => layer == config.Layers - 1 ? Last : Inside;
}
