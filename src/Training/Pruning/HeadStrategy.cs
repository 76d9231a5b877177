namespace Serving.Training.Pruning;

/// <summary>Which heads are pruned before fine-tuning (Budhraja et al. 2020, sec. 4).</summary>
public enum HeadStrategy
{
    /// <summary>Heads of all layers by chance.</summary>
    Random,

    /// <summary>Those of the highest layers.</summary>
    Top,

    /// <summary>Those of the lowest layers.</summary>
    Bottom,

    /// <summary>Those of the layers in the middle.</summary>
    Middle,

    /// <summary>Those of neighbouring layers, which ones by chance.</summary>
    Consecutive,

    /// <summary>Those of layers as far from each other as can be.</summary>
    Spread,

    /// <summary>The most important ones, see <see cref="PartImportance"/>.</summary>
    ImportantFirst,

    /// <summary>The least important ones.</summary>
    UnimportantFirst
}
