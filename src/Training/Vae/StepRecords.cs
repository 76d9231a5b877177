using System.Runtime.InteropServices;

namespace Serving.Training.Vae;

/// <summary>What each step of a run was, in a file: a step that runs again, after a checkpoint, is written again.
/// </summary>
internal sealed class StepRecords(string path) : IDisposable
{
    private const int Size = 4;

    private readonly FileStream _file = new(path, FileMode.OpenOrCreate);

    /// <summary>A step.</summary>
    /// <param name="Weight">Of the divergence.</param>
    /// <param name="Reconstruction">Of a text, the step's mean; nats.</param>
    /// <param name="Divergence">The same.</param>
    /// <param name="EncoderSteps">How many the encoder alone made before it.</param>
    public readonly record struct Record(
        double Weight, double Reconstruction, double Divergence, double EncoderSteps);

    /// <param name="step">From 1.</param>
    public void Write(long step, Record record)
    {
        _file.Position = (step - 1) * Size * sizeof(double);
        _file.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<Record>(ref record)));
    }

    /// <summary>The first steps.</summary>
    public Record[] Read(long steps)
    {
        var records = new Record[steps];
        _file.Position = 0;
        _file.ReadExactly(MemoryMarshal.AsBytes(records.AsSpan()));
        return records;
    }

    /// <summary>Puts what is written on the disk, as a checkpoint that counts on it needs.</summary>
    public void Flush() => _file.Flush(flushToDisk: true);

    public void Dispose() => _file.Dispose();
}
