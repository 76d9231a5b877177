using System.Text;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests.Http;

/// <content>The calls, in their order: later ones see what earlier ones made.</content>
public sealed partial class HttpRoutesTests
{
    private static IEnumerable<Row> TaskRows(string one, string two)
    {
        const string Versions = "/v1/tasks/{task}/versions";
        const string Alias = "PUT /v1/tasks/{task}/aliases/{alias}";
        const string Loading = "/v1/tasks/{task}/versions/{version}";
        string[] files = ["task.json", "mask.safetensors", "head.safetensors"];
        string[] Form(string folder) =>
            [.. files.SelectMany(file => (string[])["-F", $"file=@{System.IO.Path.Combine(folder, file)}"])];

        yield return new("GET /v1/tasks", "/v1/tasks", 200, "tasks=[]", "nextPageToken=");
        yield return new(
            $"POST {Versions}", "/v1/tasks/tone/versions?alias=production", 200, "version=$one", "created=true")
        {
            Curl = Form(one)
        };
        yield return new($"POST {Versions}", "/v1/tasks/tone/versions", 200, "version=$one", "created=false")
        {
            Curl = Form(one)
        };
        yield return new(
            $"POST {Versions}", $"/v1/tasks/tone/versions?expectedVersion={new string('0', 64)}", 400, "code=3")
        {
            Curl = Form(two)
        };
        yield return new(
            $"POST {Versions}", "/v1/tasks/tone/versions?expected_version=$two", 200, "version=$two", "created=true")
        {
            Curl = Form(two)
        };
        yield return new(
            "GET /v1/tasks",
            "/v1/tasks?page_size=1",
            200,
            "tasks[0].name=tone",
            "tasks[0].aliases[0].version=$one",
            "nextPageToken=");
        yield return new(
            "GET /v1/tasks", "/v1/tasks?pageSize=1001", 400, "details[0].fieldViolations[0].field=page_size");
        yield return new(
            "GET /v1/tasks/{task}",
            "/v1/tasks/tone",
            200,
            "name=tone",
            "versions[0].readsPair=false",
            "versions[0].fileBytes");
        yield return new(
            "GET /v1/tasks/{task}",
            "/v1/tasks/tune",
            404,
            "code=5",
            "message=There is no task 'tune'. The nearest are 'tone'.",
            "details[0].@type=type.googleapis.com/google.rpc.ResourceInfo",
            "details[0].resourceName=tune");
        yield return new(
            "GET /v1/tasks/{task.task}:export",
            "/v1/tasks/tone:export",
            200,
            "header.task=tone",
            "header.expectedVersion=$one")
        {
            Check = answer =>
                Assert.All(
                    files,
                    file => Assert.Equal(File.ReadAllBytes(System.IO.Path.Combine(one, file)), Exported(answer, file)))
        };
        yield return new(
            "GET /v1/tasks/{task.task}:export",
            "/v1/tasks/tone:export?task.version=$two",
            200,
            "header.expectedVersion=$two");
        yield return new(
            "GET /v1/tasks/{task.task}:export",
            "/v1/tasks/tone:export?task.alias=next",
            404,
            "details[0].resourceName=next");
        foreach (var file in files)
        {
            yield return new(
                "GET /v1/tasks/{task}/versions/{version}/files/{file}",
                $"/v1/tasks/tone/versions/$two/files/{file}",
                200)
            {
                Check = answer => Assert.Equal(File.ReadAllBytes(System.IO.Path.Combine(two, file)), answer.Body)
            };
        }

        yield return new(
            "GET /v1/tasks/{task}/versions/{version}/files/{file}",
            "/v1/tasks/tone/versions/$two/files/tasks.json",
            404,
            "message=There is no file 'tasks.json'. "
            + "The nearest are 'task.json', 'mask.safetensors', 'head.safetensors'.");
        yield return new($"POST {Loading}:load", "/v1/tasks/tone/versions/$two:load", 200, "residentBytes")
        {
            Json = "{}"
        };
        yield return new(Alias, "/v1/tasks/tone/aliases/production", 200, "aliases[0].version=$two")
        {
            Json = """{"version": "$two"}"""
        };
        yield return new(
            Alias,
            "/v1/tasks/tone/aliases/production",
            200,
            "aliases[0].version=$one",
            "aliases[0].previousVersions=[]")
        {
            Json = """{"rollback": true}"""
        };
        yield return new(Alias, "/v1/tasks/tone/aliases/production", 200, "aliases[0].canary.share=0.25")
        {
            Json = """{"canary": {"version": "$two", "share": 0.25}}"""
        };
        yield return new(Alias, "/v1/tasks/tone/aliases/production", 200, "aliases[0].shadowVersion=$two")
        {
            Json = """{"shadow_version": "$two"}"""
        };
        yield return new(Alias, "/v1/tasks/tone/aliases/production", 200, "aliases[0].shadowVersion=")
        {
            Json = """{"shadowVersion": ""}"""
        };
        yield return new(Alias, "/v1/tasks/tone/aliases/production", 200, "aliases[0].version=$one")
        {
            Json = """{"task": "tone", "alias": "production", "version": "$one"}""",
            Check = answer => Assert.Null(answer.At("aliases[0].canary"))
        };
        yield return new(Alias, "/v1/tasks/tone/aliases/production", 400, "details[0].fieldViolations[0].field=alias")
        {
            Json = """{"alias": "other", "version": "$one"}"""
        };
        yield return new(Alias, "/v1/tasks/tone/aliases/production", 409, "code=10")
        {
            Json = """{"version": "$two", "expectedCurrentVersion": "$two"}"""
        };
        yield return new(
            Alias,
            "/v1/tasks/tone/aliases/production",
            400,
            "code=9",
            "details[0].@type=type.googleapis.com/google.rpc.PreconditionFailure")
        {
            Json = """{"rollback": true}"""
        };
        yield return new(
            "POST /v1/tasks:compare",
            "/v1/tasks:compare",
            200,
            "comparisons[0].second=1",
            "comparisons[0].dissimilarityByTensor")
        {
            Json = """{"tasks": [{"task": "tone"}, {"task": "tone", "version": "$two"}]}"""
        };
        yield return new(
            "POST /v1/tasks:compare", "/v1/tasks:compare", 400, "details[0].fieldViolations[0].field=tasks")
        {
            Json = "{}"
        };
        yield return new($"POST {Loading}:unload", "/v1/tasks/tone/versions/$one:unload", 400, "code=9");
        yield return new($"POST {Loading}:unload", "/v1/tasks/tone/versions/$two:unload", 200, "freedBytes");
        yield return new($"DELETE {Loading}", "/v1/tasks/tone/versions/$two", 200, "freedFileBytes");
        yield return new($"DELETE {Loading}", "/v1/tasks/tone/versions/$two", 404, "code=5");
    }

    private static IEnumerable<Row> ModelRows(DataFolder data)
    {
        var files = Directory.GetFiles(System.IO.Path.Combine(data.Path, "models", DataFolder.Model));
        yield return new(
            "GET /v1/limits",
            "/v1/limits",
            200,
            "maxInputs=256",
            "maxTaskFileBytes=268435456",
            "maxSequences=32",
            "maxCachedTokens=8192");
        yield return new(
            "GET /v1/models", "/v1/models", 200, $"models[0].name={DataFolder.Model}", "models[0].loaded=true");
        yield return new(
            "GET /v1/models/{model}",
            $"/v1/models/{DataFolder.Model}",
            200,
            "architecture=bert",
            "memory.taskVersions=1");
        yield return new("GET /v1/models/{model}", "/v1/models/large", 404, "details[0].resourceType=model");
        yield return new("POST /v1/models/{model}:unload", $"/v1/models/{DataFolder.Model}:unload", 400, "code=9");
        yield return new("POST /v1/models/{model}:unload", $"/v1/models/{DataFolder.Model}:unload", 200, "freedBytes")
        {
            Json = """{"force": true}"""
        };
        yield return new("POST /v1/models/{model}:load", $"/v1/models/{DataFolder.Model}:load", 200, "loaded=true");
        yield return new("POST /v1/models:pull", "/v1/models:pull", 200, "progress.phase=PULL_PHASE_RESOLVING")
        {
            Json = """{"source": "owner/pulled", "noLoad": true}""",
            Check = static answer => Assert.Equal("pulled", CurlAnswer.At(answer.Lines[^1], "pulled.model.name"))
        };
        yield return new("POST /v1/models:pull", "/v1/models:pull", 400, "details[0].fieldViolations[0].field=model")
        {
            Json = """{"source": "owner/pulled", "model": "../pulled"}"""
        };
        yield return new("DELETE /v1/models/{model}", "/v1/models/pulled?force=true", 200, "freedFileBytes");
        yield return new(
            "POST /v1/models/{model}/files", "/v1/models/imported/files?noLoad=true", 200, "model.name=imported")
        {
            Curl = [.. files.SelectMany(file => (string[])["-F", $"file=@{file}"])]
        };
    }

    private static IEnumerable<Row> DatasetRows(DataFolder data)
    {
        const string Upload = "POST /v1/datasets/{name}";
        string[] raw = ["--data-binary", $"@{data.At("texts.tsv")}"];
        yield return new("GET /v1/datasets", "/v1/datasets", 200, "datasets=[]");
        yield return new(
            Upload,
            "/v1/datasets/texts?text_column=text&labelColumn=label",
            200,
            "name=texts",
            "rows=2",
            "labels[1].rows=1")
        {
            Curl = raw
        };
        yield return new(Upload, "/v1/datasets/texts?text_column=text", 409, "code=6", "details[0].resourceName=texts")
        {
            Curl = raw
        };
        yield return new(Upload, "/v1/datasets/csv", 200, "format=DATASET_FORMAT_CSV", "rows=1")
        {
            Curl = ["-F", "text_column=text", "-F", "labelColumn=label", "-F", $"file=@{data.At("texts.csv")}"]
        };
        yield return new(Upload, "/v1/datasets/more?format=tsv", 200, "rows=60", "hasPairs=false")
        {
            Curl = ["-F", "text_column=text", "-F", "label_column=label", "-F", $"file=@{data.At("more.tsv.gz")}"]
        };
        yield return new(Upload, "/v1/datasets/none?text_column=words", 400, "code=3") { Curl = raw };
        yield return new(
            "GET /v1/datasets",
            "/v1/datasets",
            200,
            "datasets[0].name=csv",
            "datasets[1].name=more",
            "datasets[2].name=texts");
        yield return new(
            "GET /v1/datasets/{name}", "/v1/datasets/csv", 200, "preview[0].text=a, b", "preview[0].label=label-1");
        yield return new("GET /v1/datasets/{name}", "/v1/datasets/none", 404, "details[0].resourceType=dataset");
        yield return new("DELETE /v1/datasets/{name}", "/v1/datasets/csv", 200, "freedBytes");
        yield return new("DELETE /v1/datasets/{name}", "/v1/datasets/csv", 404, "code=5");
    }

    private static IEnumerable<Row> JobRows()
    {
        yield return new(
            "GET /v1/recipes", "/v1/recipes", 200, "recipes[0].recipe=classifier", "recipes[0].command=train mask",
            "recipes[0].given.method=TRAINING_METHOD_MASK", "recipes[0].settings[0].name=model");
        yield return new("GET /v1/jobs", "/v1/jobs", 200, "jobs=[]");
        yield return new("POST /v1/jobs", "/v1/jobs", 400, "details[0].fieldViolations[0].field=spec") { Json = "{}" };
        yield return new("POST /v1/jobs", "/v1/jobs", 200, "spec.memory.task.task=tone", "spec.memory.mostTasks=3")
        {
            Json = """{"spec": {"memory": {"task": {"task": "tone"}, "most_tasks": 3}}}""",
            Keep = "job=id"
        };
        yield return new("GET /v1/jobs/{id}/events", "/v1/jobs/$job/events", 200, "number=1", "state=JOB_STATE_QUEUED")
        {
            Check = answer =>
            {
                Assert.Equal(
                    Enumerable.Range(1, answer.Lines.Count).Select(number => $"{number}"),
                    answer.Lines.Select(line => CurlAnswer.At(line, "number")));
                Assert.Equal("JOB_STATE_SUCCEEDED", CurlAnswer.At(answer.Lines[^1], "state"));
            }
        };
        yield return new("GET /v1/jobs/{id}/events", "/v1/jobs/$job/events?cursor=2", 200, "number=3");
        yield return new(
            "GET /v1/jobs/{id}/events",
            "/v1/jobs/$job/events?cursor=1000",
            400,
            "details[0].fieldViolations[0].field=cursor");
        yield return new("GET /v1/jobs/{id}/events", "/v1/jobs/x/events", 404, "details[0].resourceType=job");
        yield return new("GET /v1/jobs/{id}", "/v1/jobs/$job", 200, "state=JOB_STATE_SUCCEEDED", "events=3")
        {
            Keep = "artifact=artifacts[0].name"
        };
        yield return new("GET /v1/jobs", "/v1/jobs?page_size=1", 200, "jobs[0].id=$job");
        var artifact = Array.Empty<byte>();
        yield return new("GET /v1/jobs/{id}/artifacts/{name}", "/v1/jobs/$job/artifacts/$artifact", 200)
        {
            Check = answer =>
            {
                artifact = answer.Body;
                Assert.Equal("nosniff", answer.Header("x-content-type-options"));
            }
        };
        yield return new(
            "GET /v1/jobs/{id}/artifacts:chunks", "/v1/jobs/$job/artifacts:chunks?name=$artifact", 200, "data")
        {
            Check = answer => Assert.Equal(artifact, Bytes(answer.Lines.Select(line => line.GetProperty("data"))))
        };
        yield return new(
            "GET /v1/jobs/{id}/artifacts/{name}", "/v1/jobs/$job/artifacts/none", 404, "details[0].resourceName=none");
        yield return new("GET /v1/jobs/{id}/artifacts/{name}", "/v1/jobs/$job/artifacts/", 404, "code=5");
        yield return new(
            "GET /v1/jobs/{id}/artifacts/{name}", "/v1/jobs/$job/artifacts/..%2f..%2fjob.json", 404, "code=5");
        yield return new("POST /v1/jobs/{id}:resume", "/v1/jobs/$job:resume", 400, "code=9");
        yield return new("POST /v1/jobs/{id}:cancel", "/v1/jobs/$job:cancel", 200, "state=JOB_STATE_SUCCEEDED");
        yield return new("DELETE /v1/jobs/{id}", "/v1/jobs/$job", 200)
        {
            Check = answer => Assert.Empty(answer.Json.EnumerateObject())
        };

        // A seed that a double does not hold, as a number and as a string.
        var job = """
            {"spec": {"classifier": {"method": "TRAINING_METHOD_MASK", "model": "small", "dataset": "more",
              "max_tokens": 30, "epochs": 1000, "seed": 9007199254740993}}}
            """;
        yield return new("POST /v1/jobs", "/v1/jobs", 200, "spec.classifier.seed=9007199254740993")
        {
            Json = job,
            Keep = "job=id"
        };
        yield return new("POST /v1/jobs", "/v1/jobs", 200, "spec.classifier.seed=18446744073709551615")
        {
            Json = job.Replace("9007199254740993", "\"18446744073709551615\""),
            Keep = "second=id"
        };
        yield return new("GET /v1/jobs/{id}", "/v1/jobs/$second", 200, "spec.classifier.seed=18446744073709551615");
        yield return new("DELETE /v1/jobs/{id}", "/v1/jobs/$second", 400, "code=9");
        yield return new("POST /v1/jobs/{id}:cancel", "/v1/jobs/$second:cancel", 200, "state=JOB_STATE_CANCELLED")
        {
            Json = "{}"
        };
        yield return new("POST /v1/jobs/{id}:resume", "/v1/jobs/$second:resume", 200, "state=JOB_STATE_QUEUED");
        yield return new("POST /v1/jobs/{id}:cancel", "/v1/jobs/$job:cancel", 200, "id=$job");
        yield return new("GET /v1/jobs/{id}/events", "/v1/jobs/$job/events", 200, "number=1")
        {
            Check = answer => Assert.Equal("JOB_STATE_CANCELLED", CurlAnswer.At(answer.Lines[^1], "state"))
        };
        yield return new("POST /v1/jobs/{id}:cancel", "/v1/jobs/x:cancel", 404, "details[0].resourceType=job");
    }

    private static IEnumerable<Row> LastRows()
    {
        yield return new("PUT /v1/tasks/{task}/aliases/{alias}", "/v1/tasks/tone/aliases/production", 200, "aliases=[]")
        {
            Json = """{"remove": true}"""
        };
        yield return new("POST /v1/classify", "/v1/classify", 404, "code=5")
        {
            Json = """{"inputs": [{"text": "a"}], "tasks": [{"task": "tone"}]}"""
        };
        yield return new(
            "GET /v1/nothing",
            "/v1/nothing",
            404,
            "message=GET /v1/nothing: Not Found. /openapi/v1.json says what there is.");
    }
}
