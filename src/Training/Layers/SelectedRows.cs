namespace Serving.Training.Layers;

/// <summary>Tokens whose last hidden state is wanted; the last layer computes no others.</summary>
/// <param name="Rows">Rows of the batch, ascending.</param>
/// <param name="Offsets">Where each sequence's begin among them, and the end of the last.</param>
public sealed record SelectedRows(int[] Rows, int[] Offsets);
