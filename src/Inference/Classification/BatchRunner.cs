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
    private readonly Comparison<Branch> _byTask = static (a, b) =>
    {
        var byTask = a.Task.Number.CompareTo(b.Task.Number);
        return byTask != 0 ? byTask : a.Unit.CompareTo(b.Unit);
    };

    private Tensor _logits; // [1, any]: those of all branches, one task after another.
    private float[] _readLogits = [];
    private float[] _readPooled = [];
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
            while (end < branches.Length && branches[end].Task == branches[first].Task)
                end++;
            var task = branches[first].Task.Task;
            var labels = task.Labels.Count;
            var logits = new Tensor(_logits.Storage, _logits.Offset + used, end - first, labels, stride: labels);
            task.Score(lane, pooled.Slice(first, end - first), logits);
            used += (end - first) * labels;
            first = end;
        }

        _logits.SliceColumns(0, used).CopyTo(_readLogits.AsSpan(0, used));
        if (_wantsVectors)
            pooled.CopyTo(_readPooled.AsSpan(0, pooled.Rows * pooled.Columns));
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
            var (request, firstTask, taskCount, _) = units[unit];
            for (var task = firstTask; task < firstTask + taskCount; task++)
                _branches.Add(new(request.Tasks[task], unit, request, task));
            _sequenceOfUnit.Add(-1);
        }

        _branches.Sort(_byTask);
        foreach (var branch in CollectionsMarshal.AsSpan(_branches))
        {
            if (_sequenceOfUnit[branch.Unit] < 0)
                _sequenceOfUnit[branch.Unit] = _batch.AddSequence(branch.Request.Sequence);
            _batch.AddBranch(_sequenceOfUnit[branch.Unit], branch.Task.Task.Masks);
        }
    }

    /// <summary>Grows what holds logits and vectors, if it is too small for these branches.</summary>
    private void MakeRoom(ReadOnlySpan<Branch> branches)
    {
        var logits = 0;
        _wantsVectors = false;
        foreach (var branch in branches)
        {
            logits += branch.Task.Task.Labels.Count;
            _wantsVectors |= branch.Scores.Pooled is not null;
        }

        if (logits > _logits.Columns)
        {
            _logits.Dispose();
            _logits = _backend.Allocate(1, logits);
        }

        if (logits > _readLogits.Length)
            _readLogits = new float[_logits.Columns];
        if (_wantsVectors && _readPooled.Length == 0)
            _readPooled = new float[_workspace.MaxBranches * _encoder.Config.Hidden];
    }

    /// <summary>Fills the answers from what was read from the device.</summary>
    private void Answer(ReadOnlySpan<Branch> branches, int hidden)
    {
        var logits = _readLogits.AsSpan();
        for (var i = 0; i < branches.Length; i++)
        {
            var scores = branches[i].Scores;
            logits[..scores.Logits.Length].CopyTo(scores.Logits);
            logits = logits[scores.Logits.Length..];
            if (scores.Pooled is { } vector)
                _readPooled.AsSpan(i * hidden, hidden).CopyTo(vector);
            if (AreFinite(scores.Logits))
                Softmax(scores.Logits, scores.Probabilities);
            else
                branches[i].Request.Fail(NonFinite(scores));
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

    private static NonFiniteScoresException NonFinite(TaskScores scores) => new(
        $"The task '{scores.Task}', version {scores.Version}, scores this text with values that are no finite numbers: "
        + "its masks keep weights that are none, or weights too large. Activate another version.");

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

    /// <summary>One task on the text of one unit.</summary>
    private readonly record struct Branch(ResidentVersion Task, int Unit, PendingRequest Request, int TaskIndex)
    {
        public TaskScores Scores => Request.Scores[TaskIndex];
    }
}
