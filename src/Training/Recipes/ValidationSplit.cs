namespace Serving.Training.Recipes;

/// <summary>How the part of a dataset that a classifier is judged by is chosen; equal texts are on one side.</summary>
public enum ValidationSplit
{
    /// <summary>Each text by chance; some label may have all its rows on one side.</summary>
    ByText,

    /// <summary>The share of each label's rows, and no label's last ones.</summary>
    Stratified
}
