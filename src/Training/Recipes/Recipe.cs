using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Serving.Storage;
using Serving.Tensors;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>What a training job does, as it is stored.</summary>
/// <remarks>
/// A class derived from it is a whole recipe: <see cref="RecipeAttribute"/> names it, <see cref="SettingAttribute"/>s
/// declare its settings. It is registered in <see cref="RecipeKinds"/>.
/// </remarks>
public abstract record Recipe
{
    /// <exception cref="JsonException">It is no recipe.</exception>
    public static Recipe Parse(string json) => RecipeJson.Default.Parse(json);

    public string ToJson() => Serialize(this);

    /// <summary>How recipes and reports are written.</summary>
    internal static string Serialize<T>(T value) => RecipeJson.Default.Serialize(value);

    /// <summary>The settings by name, for lineage.</summary>
    public IReadOnlyDictionary<string, JsonElement> ToDictionary() =>
        JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(ToJson())!;

    /// <summary>The models that it begins with, by name.</summary>
    [JsonIgnore]
    public abstract IReadOnlyList<string> Models { get; }

    /// <summary>The datasets that it reads, by name.</summary>
    [JsonIgnore]
    public abstract IReadOnlyList<string> DatasetNames { get; }

    /// <summary>The task versions that it reads; their backbones need not be among the models.</summary>
    [JsonIgnore]
    public virtual IReadOnlyList<VersionInput> TaskVersions => [];

    /// <summary>What comes out.</summary>
    public virtual RecipeOutputs Outputs => RecipeOutputs.Report;

    /// <summary>What the result is judged by; null if it is not judged.</summary>
    public virtual RecipeMetric? Metric => null;

    /// <summary>Checks everything that can be known before training.</summary>
    /// <exception cref="ArgumentException">The recipe is not valid.</exception>
    public abstract void Validate(IRecipeInputs inputs);

    /// <summary>The same, with what follows from the inputs where nothing is given: what a job keeps.</summary>
    public virtual Recipe For(IRecipeInputs inputs) => this;

    /// <summary>Runs to the end, from the last checkpoint if there is one.</summary>
    /// <exception cref="ArgumentException">The recipe is not valid; nothing was trained.</exception>
    public abstract RecipeResult Run(RecipeContext context);
}

/// <summary>Where models, datasets and task versions are.</summary>
public interface IRecipeInputs
{
    /// <summary>A model's folder, by its name.</summary>
    string ModelFolder(string name);

    /// <summary>A dataset's folder, by its name.</summary>
    string DatasetFolder(string name);

    /// <summary>A task version's folder.</summary>
    string TaskFolder(VersionInput task);
}

/// <summary>Where a recipe runs.</summary>
public sealed record RecipeContext
{
    /// <summary>The job's name, for lineage.</summary>
    public required string Job { get; init; }

    /// <summary>The job's folder: checkpoints/ and artifacts/ are in it.</summary>
    public required string Folder { get; init; }

    public required IRecipeInputs Inputs { get; init; }

    public required TrainingBackend Backend { get; init; }

    public required ITrainingObserver Observer { get; init; }

    /// <summary>The clock for budgets of time.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    public CancellationToken CancellationToken { get; init; }

    internal string Checkpoints => Path.Combine(Folder, "checkpoints");

    /// <summary>Writes a file among the results.</summary>
    internal void WriteReport(string name, string contents)
    {
        var path = Path.Combine(Folder, "artifacts", name);
        DiskFileSystem.Instance.Replace(path, Encoding.UTF8.GetBytes(contents));
    }

    /// <summary>Copies the files of a folder into another, which is made.</summary>
    internal static void CopyFolder(string from, string to)
    {
        DiskFileSystem.Instance.EnsureFolder(to);
        foreach (var file in Directory.EnumerateFiles(from))
            DiskFileSystem.Instance.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }

    /// <summary>A folder for results, empty: what an interrupted attempt left is removed.</summary>
    internal string NewArtifact(string name)
    {
        var path = Path.Combine(Folder, "artifacts", name);
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }
}

/// <summary>The results of a recipe.</summary>
/// <param name="Metrics">Of the best state, on held-out data.</param>
/// <param name="TaskVersion">The folder of a task version, below the job's; null if there is none.</param>
/// <param name="Model">The folder of a model, below the job's; null if there is none.</param>
public sealed record RecipeResult(
    IReadOnlyDictionary<string, double> Metrics, string? TaskVersion = null, string? Model = null);
