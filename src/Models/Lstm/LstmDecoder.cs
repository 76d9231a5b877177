using Serving.Models.Decoders;
using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Models.Lstm;

/// <summary>A language model of LSTM layers, frozen.</summary>
/// <remarks>
/// What it keeps of a sequence is the state of each layer, whatever the length: one block, which is never full, so that
/// none is shared.
/// </remarks>
public sealed class LstmDecoder : Decoder
{
    private readonly TensorBackend _backend;
    private readonly LstmParameters _parameters;

    private LstmDecoder(TensorBackend backend, LstmConfig config, LstmParameters parameters)
    {
        _backend = backend;
        _parameters = parameters;
        Config = config;
    }

    public override LstmConfig Config { get; }

    public override string Digest => _parameters.Digest;

    public override long Bytes => _parameters.Bytes;

    public override int BlockTokens => Config.MaxPositions + 1;

    /// <summary>Reads all parameters.</summary>
    /// <exception cref="ModelFileException">A parameter is missing or has another shape.</exception>
    public static LstmDecoder Load(
        TensorBackend backend, LstmConfig config, IParameterSource weights,
        WeightFormat format = WeightFormat.Float32) =>
        new(backend, config, LstmParameters.Load(backend, config, weights, format));

    public override LstmStates CreateCache(int blocks) => new(_backend, Config, blocks);

    public override LstmWorkspace CreateWorkspace(DecoderLimits limits) => new(_backend, Config, limits);

    public override Tensor Forward(
        DecoderBatch batch, DecoderCache cache, DecoderWorkspace workspace, TensorBackend? lane = null) =>
        Forward(batch, (LstmStates)cache, (LstmWorkspace)workspace, lane ?? _backend);

    public override void Dispose() => _parameters.Dispose();

    private Tensor Forward(DecoderBatch batch, LstmStates states, LstmWorkspace workspace, TensorBackend backend)
    {
        DecoderChecks.ThrowUnlessFits(batch, Config, workspace.Limits);
        workspace.WriteIndices(batch, states);
        var x = workspace.Embedded.Slice(0, batch.TokenCount);
        backend.GatherRows(_parameters.Tokens, workspace.Tokens, x);
        for (var layer = 0; layer < Config.Layers; layer++)
            x = RunLayer(layer, x, batch.SequenceCount, states, workspace, backend);
        var logits = Predict(x, batch.Rows.Length, workspace, backend);

        // At the end, so that no sequence has changed if something fails before.
        for (var layer = 0; layer < Config.Layers; layer++)
        {
            var (hidden, cell) = workspace.After(layer, batch.SequenceCount);
            backend.ScatterRows(hidden, workspace.StatesAfter, states.Hidden(layer));
            backend.ScatterRows(cell, workspace.StatesAfter, states.Cell(layer));
        }

        batch.Append();
        return logits;
    }

    /// <returns>The hidden states of all tokens, [tokens, hidden].</returns>
    private Tensor RunLayer(
        int layer, Tensor x, int sequences, LstmStates states, LstmWorkspace workspace, TensorBackend backend)
    {
        var parameters = _parameters.Layers[layer];
        var gates = workspace.Gates.Slice(0, x.Rows);
        var cells = workspace.Cells.Slice(0, x.Rows);
        var output = workspace.Output(layer).Slice(0, x.Rows);
        var (hidden, cell) = workspace.After(layer, sequences);
        backend.GatherRows(states.Hidden(layer), workspace.StatesBefore, hidden);
        backend.GatherRows(states.Cell(layer), workspace.StatesBefore, cell);
        backend.Linear(
            x, parameters.Input.Weight, parameters.Input.Bias, segments: [], Activation.None, residual: default, gates);
        backend.Lstm(gates, parameters.Recurrent, workspace.Steps, hidden, cell, cells, output);
        backend.GatherRows(output, workspace.LastRows, hidden);
        backend.GatherRows(cells, workspace.LastRows, cell);
        return output;
    }

    private Tensor Predict(Tensor x, int rows, LstmWorkspace workspace, TensorBackend backend)
    {
        var logits = workspace.Logits.Slice(0, rows);
        if (rows == 0)
            return logits;
        var selected = workspace.Selected.Slice(0, rows);
        backend.GatherRows(x, workspace.LogitRows, selected);
        backend.Linear(
            selected, _parameters.Head, bias: default, segments: [], Activation.None, residual: default, logits);
        return logits;
    }
}
