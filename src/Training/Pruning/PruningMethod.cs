namespace Serving.Training.Pruning;

/// <summary>How the weights that a ticket keeps are found.</summary>
public enum PruningMethod
{
    /// <summary>
    /// Iterative magnitude pruning with rewinding: train, prune the smallest weights, put the others back to where they
    /// were, again (Chen et al. 2020, alg. 1).
    /// </summary>
    Iterative,

    /// <summary>The same without rewinding: each round goes on with the weights of the last.</summary>
    Standard,

    /// <summary>The smallest weights of the backbone itself, at once.</summary>
    OneShot,

    /// <summary>Weights by chance.</summary>
    Random,

    /// <summary>The masks of a ticket that another task gave.</summary>
    Transfer
}

/// <summary>What a ticket is compared with: trained in the same way, with as many weights.</summary>
public enum PruningControl
{
    /// <summary>Masks by chance, over the same weights.</summary>
    RandomMask,

    /// <summary>The smallest weights of the start pruned at once.</summary>
    OneShot,

    /// <summary>The ticket's masks over weights that were never trained.</summary>
    Reinitialized,

    /// <summary>The ticket's masks, over the matrices of other layers.</summary>
    ShuffledLayers,

    /// <summary>The ticket's masks, over the same weights in another order within each matrix.</summary>
    ShuffledWeights
}
