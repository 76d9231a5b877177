using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Serving.V1;

namespace Serving.Cli;

/// <summary>The answers to one prompt, put together as they come.</summary>
internal sealed class GeneratedAnswers(string prompt)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // Files and terminals, no pages.
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
    };

    private readonly List<(StringBuilder Text, List<TokenRecord> Tokens)> _answers = [];
    private GenerationStarted _started = new();
    private GenerationFinished _finished = new();
    private bool _hasTokens;

    /// <summary>The texts so far.</summary>
    public IEnumerable<string> Texts => _answers.Select(answer => answer.Text.ToString());

    public void Add(GenerateResponse response)
    {
        switch (response.EventCase)
        {
            case GenerateResponse.EventOneofCase.Started:
                _started = response.Started;
                _hasTokens = _started.Sampling.Logprobs;
                for (var i = 0; i < _started.Sampling.NumReturnSequences; i++)
                    _answers.Add((new(), []));
                break;
            case GenerateResponse.EventOneofCase.Text:
                var (text, tokens) = _answers[response.Text.Answer];
                text.Append(response.Text.Text);
                tokens.AddRange(response.Text.Tokens.Select(TokenRecord.Of));
                break;
            case GenerateResponse.EventOneofCase.Finished:
                _finished = response.Finished;
                break;
            default:
                break; // Of a newer server.
        }
    }

    /// <summary>A line of JSON for each answer.</summary>
    public IEnumerable<string> Lines() => _answers.Select((answer, i) => JsonSerializer.Serialize(
        new AnswerRecord(
            prompt, _started.Model, _started.Sampling.Seed, i, answer.Text.ToString(),
            NameOf(_finished.Answers[i].FinishReason), _started.Prompt.Tokens, _finished.Answers[i].Tokens,
            _started.Prompt.Truncated ? true : null, _finished.Answers[i].HasScore ? _finished.Answers[i].Score : null,
            _hasTokens ? answer.Tokens : null),
        Json));

    /// <returns>"end_of_text"</returns>
    private static string NameOf(FinishReason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName($"{reason}");

    private sealed record AnswerRecord(
        string Prompt, string Model, ulong Seed, int Answer, string Text, string FinishReason, int PromptTokens,
        int GeneratedTokens, bool? Truncated, double? Score, IReadOnlyList<TokenRecord>? Tokens);

    private sealed record TokenRecord(int Id, string Text, double Logprob, IReadOnlyList<TokenRecord>? Top)
    {
        public static TokenRecord Of(GeneratedToken token) => new(
            token.Id, token.Text, token.Logprob,
            token.Top.Count == 0
                ? null
                : [.. token.Top.Select(top => new TokenRecord(top.Id, top.Text, top.Logprob, Top: null))]);
    }
}
