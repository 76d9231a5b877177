namespace Serving.Tensors;

/// <summary>A backend's memory for the tensors of one step: rented one by one, released all at once.</summary>
public abstract class TensorArena : IDisposable
{
    /// <summary>A tensor that holds whatever was there before. The arena owns it; valid until Reset.</summary>
    public abstract Tensor Rent(int rows, int columns);

    /// <summary>Ends the life of all that was rented; keeps the memory for the next step.</summary>
    public abstract void Reset();

    /// <summary>Frees the memory.</summary>
    public abstract void Dispose();
}
