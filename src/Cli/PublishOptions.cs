using System.CommandLine;
using System.CommandLine.Parsing;
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

    private readonly Option<double?> _minMetric = new Option<double?>("--min-metric")
    {
        Description = "The alias moves only if the metric is at least this."
    }.OnlyStrict();

    private readonly Option<bool> _notBelow = new("--not-below-current")
    {
        Description = "The alias moves only if the metric is at least its current version's, on the same data."
    };

    private readonly Option<string?> _model = new("--publish-model");

    /// <param name="outputs">What comes out of the job.</param>
    public PublishOptions(IReadOnlyCollection<RecipeOutput> outputs)
    {
        var (isTask, isModel) = (outputs.Contains(RecipeOutput.TaskVersion), outputs.Contains(RecipeOutput.Model));
        _model.Required = isModel && !isTask;
        _model.Description = isTask
            ? "The name of the model that comes out; must be given with --task, whose version needs it."
            : "The name of the model that comes out.";
        if (isTask && isModel)
            _task.Validators.Add(RequireModel);
        All =
        [
            .. isTask ? [_task, _alias, _noAlias, _minMetric, _notBelow] : (Option[])[],
            .. isModel ? [_model] : (Option[])[]
        ];
    }

    /// <summary>Those that say something about what comes out.</summary>
    public IReadOnlyList<Option> All { get; }

    private void RequireModel(OptionResult task)
    {
        if (task.GetResult(_model) is null or { Implicit: true })
            task.AddError("--task: The version needs the model that comes out; name it, too: --publish-model NAME.");
    }

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
