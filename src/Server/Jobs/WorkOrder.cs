using System.Text.Json;
using Serving.Training.Recipes;

namespace Serving.Server.Jobs;

/// <summary>What a worker process is told, in a file: the recipe, and where everything lies.</summary>
internal sealed record WorkOrder(
    string Job,
    string Folder,
    string Recipe,
    IReadOnlyDictionary<string, string> Models,
    IReadOnlyDictionary<string, string> Datasets,
    IReadOnlyDictionary<string, string> Tasks,
    int Threads) : IRecipeInputs
{
    public static WorkOrder Read(string path) => JsonSerializer.Deserialize<WorkOrder>(File.ReadAllText(path))!;

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this);

    public string ModelFolder(string name) => Models[name];

    public string DatasetFolder(string name) => Datasets[name];

    public string TaskFolder(TaskInput task) => Tasks[TaskKey(task)];

    public static string TaskKey(TaskInput task) => $"{task.Task}/{task.Version}";
}
