namespace Serving.Inference.Scheduling;

/// <summary>What waits in a queue and is taken from it at once: an item, or a part of one.</summary>
internal interface IWorkUnit
{
    WorkItem Item { get; }

    /// <summary>Whose share of the device it uses: keys share alike, by their tokens.</summary>
    string FairKey { get; }

    /// <summary>Its tokens, counted over branches.</summary>
    int Tokens { get; }

    /// <summary>Tokens that it needs room for: its own, or those of whole blocks.</summary>
    int Room { get; }

    /// <summary>Sequences that it adds to a batch: texts times tasks, for example.</summary>
    int Branches { get; }

    /// <summary>Whether it runs on the whole device instead of on one lane.</summary>
    bool NeedsWholeDevice { get; }
}
