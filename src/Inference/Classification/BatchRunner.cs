using System.Runtime.InteropServices;
using Serving.Models.Bert;
using Serving.Tensors;

namespace Serving.Inference.Classification;

/// <summary>Runs the units of one batch: each text once, its branches in the order of their tasks.</summary>
/// <remarks>Everything it needs is kept from batch to batch: a batch allocates nothing on the managed heap.</remarks>
internal sealed class BatchRunner : IDisposable
{
    private readonly TensorBackend _backend;
    private readonly BertEncoder _encoder;
    private readonly BertWorkspace _workspace;
    private readonly BertBatch _batch = new();
    private readonly List<Branch> _branches = [];
    private readonly List<int> _sequenceOfUnit = [];
    private readonly Comparison<Branch> _inOrder = static (a, b) => a.OrderTo(b);

    private Tensor _logits; // [1, any]: those of all branches, one task after another.
    private float[] _readLogits = [];
    private float[] _readVectors = [];
    private bool _wantsVectors;

    public BatchRunner(TensorBackend backend, BertEncoder encoder, EngineOptions options)
    {
        _backend = backend;
        _encoder = encoder;
        _workspace = encoder.CreateWorkspace(options.MaxBatchTokens, options.MaxBatchBranches);
        _logits = backend.Allocate(1, 2 * options.MaxBatchBranches);
    }

    /// <summary>Bytes of its intermediate results on the device.</summary>
    public long Bytes => _workspace.Bytes + _logits.Storage.Bytes;

    /// <summary>Fills the scores of every unit; a request whose scores are not finite fails.</summary>
    /// <param name="lane">What to run on: the backend or one of its lanes.</param>
    public void Run(List<WorkUnit> units, TensorBackend lane)
    {
        Collect(units);
        var pooled = _encoder.Forward(_batch, _workspace, lane);
        var branches = CollectionsMarshal.AsSpan(_branches);
        MakeRoom(branches);
        var used = 0;
        for (var first = 0; first < branches.Length;)
        {
            var end = first + 1;
            while (end < branches.Length && branches[end].SharesHead(branches[first]))
                end++;
            if (branches[first].Wanted is { Scores: not null, Task.Task: { } task })
            {
                var labels = task.Labels.Count;
                var logits = new Tensor(_logits.Storage, _logits.Offset + used, end - first, labels, stride: labels);
                task.Score(lane, pooled.Slice(first, end - first), logits);
                used += (end - first) * labels;
            }

            first = end;
        }

        if (used > 0)
            _logits.SliceColumns(0, used).CopyTo(_readLogits.AsSpan(0, used));
        if (_wantsVectors)
            pooled.CopyTo(_readVectors.AsSpan(0, pooled.Rows * pooled.Columns));
        Answer(branches, pooled.Columns);
    }

    public void Dispose()
    {
        _workspace.Dispose();
        _logits.Dispose();
    }

    /// <summary>Lists the branches, one task after another, and the texts in the order of their first branch.</summary>
    /// <remarks>If each text has one branch, texts and branches have one order, and nothing is copied.</remarks>
    private void Collect(List<WorkUnit> units)
    {
        _batch.Clear();
        _branches.Clear();
        _sequenceOfUnit.Clear();
        for (var unit = 0; unit < units.Count; unit++)
        {
            var (request, first, count, _) = units[unit];
            for (var i = first; i < first + count; i++)
                _branches.Add(new(unit, request, i));
            _sequenceOfUnit.Add(-1);
        }

        _branches.Sort(_inOrder);
        foreach (var branch in CollectionsMarshal.AsSpan(_branches))
        {
            if (_sequenceOfUnit[branch.Unit] < 0)
                _sequenceOfUnit[branch.Unit] = _batch.AddSequence(branch.Request.Sequence);
            var wanted = branch.Wanted;
            _batch.AddBranch(
                _sequenceOfUnit[branch.Unit], wanted.Task?.Task.Masks, wanted.Pooling,
                wantsTokens: wanted.Embedding?.TokenVectors is not null);
        }
    }

    /// <summary>Grows what holds logits and vectors, if it is too small for these branches.</summary>
    private void MakeRoom(ReadOnlySpan<Branch> branches)
    {
        var logits = 0;
        _wantsVectors = false;
        foreach (var branch in branches)
        {
            logits += branch.Wanted.Scores?.Labels.Count ?? 0;
            _wantsVectors |= branch.Wanted.Embedding is not null;
        }

        if (logits > _logits.Columns)
        {
            var larger = _backend.Allocate(1, logits); // Which may fail: the batch then, and not the next one.
            _logits.Dispose();
            _logits = larger;
        }

        if (logits > _readLogits.Length)
            _readLogits = new float[_logits.Columns];
        if (_wantsVectors && _readVectors.Length == 0)
            _readVectors = new float[_workspace.MaxBranches * _encoder.Config.Hidden];
    }

    /// <summary>Fills the answers from what was read from the device.</summary>
    private void Answer(ReadOnlySpan<Branch> branches, int hidden)
    {
        var logits = _readLogits.AsSpan();
        for (var i = 0; i < branches.Length; i++)
        {
            var (task, scores, embedding) = branches[i].Wanted;
            if (embedding is not null)
            {
                _readVectors.AsSpan(i * hidden, hidden).CopyTo(embedding.Vector);
                if (embedding.TokenVectors is { } tokens)
                    _workspace.Output.Slice(_batch.OutputOffsets[i], embedding.Tokens).CopyTo(tokens);
                if (!AreFinite(embedding.Vector))
                    branches[i].Request.Fail(NonFinite(task));
            }

            if (scores is null)
                continue;
            logits[..scores.Logits.Length].CopyTo(scores.Logits);
            logits = logits[scores.Logits.Length..];
            if (AreFinite(scores.Logits))
                Softmax(scores.Logits, scores.Probabilities);
            else
                branches[i].Request.Fail(NonFinite(task));
        }
    }

    private static bool AreFinite(ReadOnlySpan<float> values)
    {
        foreach (var value in values)
        {
            if (!float.IsFinite(value))
                return false;
        }

        return true;
    }

    private static NonFiniteScoresException NonFinite(ResidentVersion? task) => new(task is null
        ? "The model gives this text values that are no finite numbers: its weights are too large. Take another model."
        : $"The task '{task.Name}', version {task.Task.Version}, scores this text with values that are no finite "
            + "numbers: its masks keep weights that are none, or weights too large. Activate another version.");

    private static void Softmax(ReadOnlySpan<float> logits, Span<float> probabilities)
    {
        var largest = float.NegativeInfinity;
        foreach (var logit in logits)
            largest = MathF.Max(largest, logit);
        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp(logit - largest);
        for (var i = 0; i < logits.Length; i++)
            probabilities[i] = (float)(Math.Exp(logits[i] - largest) / sum);
    }

    /// <summary>What is wanted of the text of one unit, under one set of masks.</summary>
    private readonly record struct Branch(int Unit, PendingRequest Request, int Index)
    {
        public ref readonly PendingBranch Wanted => ref Request.Branches[Index];

        private long Task => Wanted.Task?.Number ?? 0;

        private bool IsScored => Wanted.Scores is not null;

        /// <summary>Whether both are scored by the same head.</summary>
        public bool SharesHead(Branch other) => IsScored && other.IsScored && Task == other.Task;

        /// <summary>First what goes through the pooler, see <see cref="BertBatch"/>; then task after task.</summary>
        public int OrderTo(Branch other)
        {
            var order = (Wanted.Pooling != Pooling.Pooler).CompareTo(other.Wanted.Pooling != Pooling.Pooler);
            if (order == 0)
                order = Task.CompareTo(other.Task);
            if (order == 0)
                order = IsScored.CompareTo(other.IsScored);
            return order != 0 ? order : Unit.CompareTo(other.Unit);
        }
    }
}
