namespace Serving.Decoding.Beams;

/// <summary>When a beam search ends that has as many texts as beams; as transformers' early_stopping.</summary>
public enum EarlyStopping
{
    /// <summary>Where the best beam, at the length that it has, is no better than the worst of them (False).</summary>
    WhenLikely,

    /// <summary>At once (True).</summary>
    AtOnce,

    /// <summary>
    /// Where no beam can become better than the worst of them, at the most tokens if longer texts are favored
    /// ("never").
    /// </summary>
    WhenCertain
}
