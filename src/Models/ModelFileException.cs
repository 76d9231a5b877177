namespace Serving.Models;

/// <summary>A model or task file can't be used; the message has what was found, what is needed, a remedy.</summary>
public sealed class ModelFileException : Exception
{
    public ModelFileException(string message)
        : base(message)
    {
    }

    public ModelFileException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
