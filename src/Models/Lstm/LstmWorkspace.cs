using Serving.Models.Decoders;
using Serving.Tensors;

namespace Serving.Models.Lstm;

/// <summary>That of an LSTM: tokens lie step after step, the sequences with the most of them first.</summary>
public sealed class LstmWorkspace : DecoderWorkspace
{
    private readonly DeviceMemory _memory;
    private readonly int[] _order;
    private readonly int[] _steps;
    private readonly int[] _rows;
    private readonly int[] _values;
    private readonly Tensor[] _outputs;
    private readonly List<(Tensor Hidden, Tensor Cell)> _after = [];
    private readonly Comparison<int> _longestFirst;
    private DecoderBatch? _batch;

    internal LstmWorkspace(TensorBackend backend, LstmConfig config, DecoderLimits limits)
        : base(limits)
    {
        _memory = new(backend);
        var (tokens, sequences, hidden) = (limits.Tokens, limits.Sequences, config.Hidden);
        Embedded = _memory.Allocate(tokens, config.Embedding);
        Gates = _memory.Allocate(tokens, 4 * hidden);
        Cells = _memory.Allocate(tokens, hidden);
        _outputs = [_memory.Allocate(tokens, hidden), _memory.Allocate(tokens, hidden)];
        for (var layer = 0; layer < config.Layers; layer++)
            _after.Add((_memory.Allocate(sequences, hidden), _memory.Allocate(sequences, hidden)));
        Selected = _memory.Allocate(limits.LogitRows, hidden);
        Logits = _memory.Allocate(limits.LogitRows, config.Vocab);
        Tokens = _memory.AllocateIndices(tokens);
        Steps = _memory.AllocateIndices(tokens + 1);
        StatesBefore = _memory.AllocateIndices(sequences);
        StatesAfter = _memory.AllocateIndices(sequences);
        LastRows = _memory.AllocateIndices(sequences);
        LogitRows = _memory.AllocateIndices(limits.LogitRows);
        _order = new int[sequences];
        _steps = new int[tokens + 1];
        _rows = new int[tokens];
        _values = new int[Math.Max(tokens, Math.Max(sequences, limits.LogitRows))];
        _longestFirst = LongestFirst;
    }

    public override long Bytes => _memory.Bytes;

    internal Tensor Embedded { get; }

    internal Tensor Gates { get; }

    internal Tensor Cells { get; }

    internal Tensor Selected { get; }

    internal Tensor Logits { get; }

    internal IndexBuffer Tokens { get; }

    /// <summary>Where each step begins.</summary>
    internal IndexBuffer Steps { get; }

    /// <summary>Where each sequence's state is before the batch.</summary>
    internal IndexBuffer StatesBefore { get; }

    /// <summary>Where it goes.</summary>
    internal IndexBuffer StatesAfter { get; }

    /// <summary>The row of each sequence's last token.</summary>
    internal IndexBuffer LastRows { get; }

    internal IndexBuffer LogitRows { get; }

    public override void Dispose() => _memory.Dispose();

    /// <summary>What a layer gives, [tokens, hidden]: not where the layer before has put it.</summary>
    internal Tensor Output(int layer) => _outputs[layer % _outputs.Length];

    /// <summary>The states of a batch's sequences, [sequences, hidden].</summary>
    internal (Tensor Hidden, Tensor Cell) After(int layer, int sequences) =>
        (_after[layer].Hidden.Slice(0, sequences), _after[layer].Cell.Slice(0, sequences));

    /// <summary>Copies a batch's indices to the device, once for all layers.</summary>
    internal void WriteIndices(DecoderBatch batch, LstmStates states)
    {
        _batch = batch;
        var order = _order.AsSpan(0, batch.SequenceCount);
        for (var i = 0; i < order.Length; i++)
            order[i] = i;
        order.Sort(_longestFirst);
        var steps = WriteSteps(batch, order);
        for (var i = 0; i < order.Length; i++)
        {
            for (var row = batch.Offsets[order[i]]; row < batch.Offsets[order[i] + 1]; row++)
            {
                _rows[row] = _steps[row - batch.Offsets[order[i]]] + i;
                _values[_rows[row]] = batch.Tokens[row].Token;
            }
        }

        Steps.Write(_steps.AsSpan(0, steps + 1));
        Tokens.Write(_values.AsSpan(0, batch.TokenCount));
        WriteRows(batch, order);
        WriteStates(batch, order, states);
    }

    /// <returns>How many steps there are.</returns>
    private int WriteSteps(DecoderBatch batch, ReadOnlySpan<int> order)
    {
        var steps = Length(batch, order[0]);
        var (running, at) = (order.Length, 0);
        for (var step = 0; step < steps; step++)
        {
            while (Length(batch, order[running - 1]) <= step)
                running--;
            _steps[step] = at;
            at += running;
        }

        _steps[steps] = at;
        return steps;
    }

    private void WriteRows(DecoderBatch batch, ReadOnlySpan<int> order)
    {
        for (var i = 0; i < order.Length; i++)
            _values[i] = _rows[batch.Offsets[order[i] + 1] - 1];
        LastRows.Write(_values.AsSpan(0, order.Length));
        for (var i = 0; i < batch.Rows.Length; i++)
            _values[i] = _rows[batch.Rows[i]];
        LogitRows.Write(_values.AsSpan(0, batch.Rows.Length));
    }

    private void WriteStates(DecoderBatch batch, ReadOnlySpan<int> order, LstmStates states)
    {
        for (var i = 0; i < order.Length; i++)
            _values[i] = batch.Sequences[order[i]].Blocks[0];
        StatesAfter.Write(_values.AsSpan(0, order.Length));
        for (var i = 0; i < order.Length; i++)
        {
            if (batch.Sequences[order[i]].Tokens == 0)
                _values[i] = states.Beginning;
        }

        StatesBefore.Write(_values.AsSpan(0, order.Length));
    }

    /// <summary>Of equally long ones the first: an order that sorting can't change.</summary>
    private int LongestFirst(int one, int other)
    {
        var byLength = Length(_batch!, other).CompareTo(Length(_batch!, one));
        return byLength != 0 ? byLength : one.CompareTo(other);
    }

    private static int Length(DecoderBatch batch, int sequence) =>
        batch.Offsets[sequence + 1] - batch.Offsets[sequence];
}
