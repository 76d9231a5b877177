namespace Serving.Models.Parameters;

/// <summary>Where a model's parameters come from.</summary>
public interface IParameterSource
{
    /// <summary>Reads some rows of a parameter.</summary>
    /// <param name="name">As the model's kind has it.</param>
    /// <param name="rows">Of the whole parameter; 1 for a vector.</param>
    /// <param name="firstRow">Where to begin.</param>
    /// <param name="values">Receives as many whole rows as fit, row-major.</param>
    /// <exception cref="ModelFileException">It is not there or has another shape.</exception>
    void Read(string name, int rows, int columns, int firstRow, Span<float> values);
}
