using Serving.V1;

namespace Serving.EndToEnd.Tests.Http;

/// <content>The calls that are answered by models.</content>
public sealed partial class HttpRoutesTests
{
    private static IEnumerable<Row> ClassifierRows()
    {
        const string Request = """{"inputs": [{"text": "a b c"}], "tasks": [{"task": "tone"}]}""";
        yield return new(
            "POST /v1/classify",
            "/v1/classify",
            200,
            "results[0].classifications[0].task=tone",
            "results[0].classifications[0].version=$one",
            "results[0].classifications[0].scores[1].label=label-1",
            "results[0].usage.inputTokens=5",
            "results[0].timing.computeSeconds")
        {
            Json = Request
        };
        yield return new("POST /v1/classify", "/v1/classify", 400, "details[0].fieldViolations[0].field=inputs[0].text")
        {
            Json = Request.Replace("a b c", "")
        };
        yield return new("POST /v1/classify", "/v1/classify", 404, "details[0].resourceType=task")
        {
            Json = Request.Replace("tone", "tome")
        };
        yield return new("POST /v1/encode", "/v1/encode", 200, "version=$one", "embeddings[0].values[31]")
        {
            Json = """{"inputs": [{"text": "a"}], "task": {"task": "tone", "alias": "production"}}"""
        };
        yield return new("POST /v1/embed", "/v1/embed", 200, "pooling=POOLING_MEAN", "embeddings[0].values[31]")
        {
            Json = """{"inputs": [{"text": "a"}]}"""
        };
        yield return new("POST /v1/similarity", "/v1/similarity", 200, "scores[0]=1")
        {
            Json = """{"pairs": [{"left": {"text": "a"}, "right": {"text": "a"}}]}"""
        };
        yield return new(
            "POST /v1/tokenize",
            "/v1/tokenize",
            200,
            "inputs[0].tokens[0].source=SOURCE_SPECIAL",
            "inputs[0].tokens[2].start=2")
        {
            Json = """{"inputs": [{"text": "a b"}], "truncation": "TRUNCATION_RIGHT"}"""
        };
    }

    private static IEnumerable<Row> GeneratorRows()
    {
        yield return new(
            "POST /v1/generate",
            "/v1/generate",
            200,
            "started.model=writer",
            "started.sampling.temperature=0",
            "started.sampling.seed=7",
            "started.prompt.tokens=1")
        {
            Json = """
                {
                    "prompt": "#",
                    "sampling": {
                        "temperature": 0, "seed": 7, "maxNewTokens": 3, "ignoreEos": true,
                        "logitBias": {"33": 100}
                    }
                }
                """,
            Check = answer =>
            {
                Assert.Equal(
                    "!!!", string.Concat(answer.Lines.Select(line => CurlAnswer.At(line, "text.text"))));
                Assert.Equal(
                    "FINISH_REASON_LENGTH", CurlAnswer.At(answer.Lines[^1], "finished.answers[0].finishReason"));
                Assert.Equal("3", CurlAnswer.At(answer.Lines[^1], "finished.usage.generatedTokens"));
            }
        };
        yield return new(
            "POST /v1/generate", "/v1/generate", 400, "details[0].fieldViolations[0].field=sampling.top_p",
            "details[0].fieldViolations[1].field=sampling.logit_bias[9999]")
        {
            Json = """{"prompt": "a", "sampling": {"topP": 2, "logitBias": {"9999": 1}}}"""
        };
        yield return new(
            "POST /v1/generate", "/v1/generate", 400,
            "details[0].fieldViolations[0].field=sampling.maxNewTokens")
        {
            Json = """{"prompt": "a", "sampling": {"maxNewTokens": 9223372036854775808}}"""
        };
        yield return new(
            "POST /v1/generate", "/v1/generate", 400,
            "details[0].fieldViolations[0].field=sampling.logitBias[x]")
        {
            Json = """{"prompt": "a", "sampling": {"logitBias": {"x": 1}}}"""
        };
        yield return new("POST /v1/generate", "/v1/generate", 404, "details[0].resourceType=loaded model")
        {
            Json = """{"model": "writers", "prompt": "a"}"""
        };
        yield return new(
            "POST /v1/score", "/v1/score", 200, "model=writer", "texts[0].tokens[2].logprob", "texts[0].perplexity",
            "texts[0].contextTokens=1")
        {
            Json = """{"inputs": [{"text": "#!#"}]}"""
        };
    }
}
