using System.CommandLine;
using Serving.V1;

namespace Serving.Cli;

/// <summary>Options that say what becomes of a job's result.</summary>
internal sealed class PublishOptions
{
    private readonly Option<string?> _task = new("--task") { Description = "The task that gets the version." };

    private readonly Option<string?> _alias = new("--alias")
    {
        Description = "An alias to point at it; production by default, if it is the task's first version."
    };

    private readonly Option<bool> _noAlias = new("--no-alias") { Description = "Points no alias at it." };

    private readonly Option<double?> _minMetric = new("--min-metric")
    {
        Description = "The alias moves only if the metric is at least this."
    };

    private readonly Option<bool> _notBelow = new("--not-below-current")
    {
        Description = "The alias moves only if the metric is at least its current version's, on the same data."
    };

    private readonly Option<string?> _model = new("--publish-model")
    {
        Description = "The name of the model that comes out."
    };

    /// <param name="outputs">What comes out of the job.</param>
    public PublishOptions(IReadOnlyCollection<RecipeOutput> outputs)
    {
        var (isTask, isModel) = (outputs.Contains(RecipeOutput.TaskVersion), outputs.Contains(RecipeOutput.Model));
        _model.Required = isModel && !isTask;
        All =
        [
            .. isTask ? [_task, _alias, _noAlias, _minMetric, _notBelow] : (Option[])[],
            .. isModel ? [_model] : (Option[])[]
        ];
    }

    /// <summary>Those that say something about what comes out.</summary>
    public IReadOnlyList<Option> All { get; }

    /// <returns>Null if nothing is published.</returns>
    public Publish? Read(ParseResult parsed)
    {
        if (All.Count == 0)
            return null;
        var publish = new Publish
        {
            Task = parsed.GetValue(_task) ?? "",
            Alias = parsed.GetValue(_alias) ?? "",
            NoAlias = parsed.GetValue(_noAlias),
            NotBelowCurrent = parsed.GetValue(_notBelow),
            Model = parsed.GetValue(_model) ?? ""
        };
        if (parsed.GetValue(_minMetric) is { } least)
            publish.MinMetric = least;
        return publish;
    }
}
