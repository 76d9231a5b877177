using System.Security.Cryptography;
using Grpc.Core;
using Serving.Decoding;
using Serving.Decoding.Beams;
using Serving.Inference.Generation;

namespace Serving.Server.Services;

/// <summary>Sampling in messages and in the engine.</summary>
internal static class SamplingMessages
{
    private const string Field = "sampling";

    /// <summary>Options of the engine by their fields in the message; others are no fields of it.</summary>
    private static readonly Dictionary<string, string> Fields = new(StringComparer.Ordinal)
    {
        [nameof(SamplingOptions.MaxTokens)] = "max_new_tokens",
        [nameof(SamplingOptions.MinTokens)] = "min_new_tokens",
        [nameof(SamplingOptions.Temperature)] = "temperature",
        [nameof(SamplingOptions.TopK)] = "top_k",
        [nameof(SamplingOptions.TopP)] = "top_p",
        [nameof(SamplingOptions.MinP)] = "min_p",
        [nameof(SamplingOptions.TypicalP)] = "typical_p",
        [nameof(SamplingOptions.EpsilonCutoff)] = "epsilon_cutoff",
        [nameof(SamplingOptions.EtaCutoff)] = "eta_cutoff",
        [nameof(SamplingOptions.RepetitionPenalty)] = "repetition_penalty",
        [nameof(SamplingOptions.PresencePenalty)] = "presence_penalty",
        [nameof(SamplingOptions.FrequencyPenalty)] = "frequency_penalty",
        [nameof(SamplingOptions.NoRepeatNgramSize)] = "no_repeat_ngram_size",
        [nameof(SamplingOptions.LogitBias)] = "logit_bias",
        [nameof(SamplingOptions.Stop)] = "stop",
        [nameof(SamplingOptions.TopLogProbabilities)] = "top_logprobs",
        [nameof(GenerationRequest.Answers)] = "num_return_sequences",
        [nameof(GenerationRequest.BestOf)] = "best_of",
        [nameof(GenerationRequest.Beams)] = "num_beams",
        [nameof(BeamOptions.LengthPenalty)] = "length_penalty",
        [nameof(BeamOptions.EarlyStopping)] = "early_stopping"
    };

    /// <summary>What a call asks for; what it leaves out is as the model has it.</summary>
    public static SamplingOptions Options(V1.Sampling message, SamplingOptions defaults) => defaults with
    {
        MaxTokens = message.HasMaxNewTokens ? message.MaxNewTokens : defaults.MaxTokens,
        MinTokens = message.HasMinNewTokens ? message.MinNewTokens : defaults.MinTokens,
        Temperature = message.HasTemperature ? message.Temperature : defaults.Temperature,
        TopK = message.HasTopK ? message.TopK : defaults.TopK,
        TopP = message.HasTopP ? message.TopP : defaults.TopP,
        MinP = message.HasMinP ? message.MinP : defaults.MinP,
        TypicalP = message.HasTypicalP ? message.TypicalP : defaults.TypicalP,
        EpsilonCutoff = message.HasEpsilonCutoff ? message.EpsilonCutoff : defaults.EpsilonCutoff,
        EtaCutoff = message.HasEtaCutoff ? message.EtaCutoff : defaults.EtaCutoff,
        RepetitionPenalty = message.HasRepetitionPenalty ? message.RepetitionPenalty : defaults.RepetitionPenalty,
        PresencePenalty = message.HasPresencePenalty ? message.PresencePenalty : defaults.PresencePenalty,
        FrequencyPenalty = message.HasFrequencyPenalty ? message.FrequencyPenalty : defaults.FrequencyPenalty,
        NoRepeatNgramSize = message.HasNoRepeatNgramSize ? message.NoRepeatNgramSize : defaults.NoRepeatNgramSize,
        LogitBias = message.LogitBias.ToDictionary(),
        Seed = message.HasSeed ? message.Seed : (ulong)RandomNumberGenerator.GetInt32(int.MaxValue),
        Stop = [.. message.Stop],
        StopTokens = message.IgnoreEos ? [] : defaults.StopTokens,
        LogProbabilities = message.Logprobs,
        TopLogProbabilities = message.HasTopLogprobs ? message.TopLogprobs : defaults.TopLogProbabilities
    };

    /// <summary>The search that a call asks for; one beam if it asks for none.</summary>
    public static BeamOptions Beams(V1.Sampling message) => new(
        message.HasNumBeams ? message.NumBeams : 1,
        message.HasLengthPenalty ? message.LengthPenalty : 1,
        message.EarlyStopping switch
        {
            V1.EarlyStopping.Unspecified => EarlyStopping.WhenLikely,
            var known when Enum.IsDefined(known) => (EarlyStopping)(known - V1.EarlyStopping.WhenLikely),
            var other => throw Errors.InvalidArgument(
                $"{Field}.early_stopping", $"{(int)other} is no way to stop early; see the enumeration.")
        });

    /// <summary>What holds for a call, with nothing left out.</summary>
    public static V1.Sampling Effective(SamplingOptions options, GenerationRequest request) => new()
    {
        MaxNewTokens = options.MaxTokens,
        MinNewTokens = options.MinTokens,
        Temperature = options.Temperature,
        TopK = options.TopK,
        TopP = options.TopP,
        MinP = options.MinP,
        TypicalP = options.TypicalP,
        EpsilonCutoff = options.EpsilonCutoff,
        EtaCutoff = options.EtaCutoff,
        RepetitionPenalty = options.RepetitionPenalty,
        PresencePenalty = options.PresencePenalty,
        FrequencyPenalty = options.FrequencyPenalty,
        NoRepeatNgramSize = options.NoRepeatNgramSize,
        LogitBias = { options.LogitBias.ToDictionary() },
        Seed = options.Seed,
        Stop = { options.Stop },
        IgnoreEos = request.IgnoresEnd,
        Logprobs = options.LogProbabilities || options.TopLogProbabilities > 0,
        TopLogprobs = options.TopLogProbabilities,
        NumReturnSequences = request.Answers,
        BestOf = request.BestOf,
        NumBeams = request.Beams.Count,
        LengthPenalty = request.Beams.LengthPenalty,
        EarlyStopping = V1.EarlyStopping.WhenLikely + (int)request.Beams.EarlyStopping
    };

    /// <summary>INVALID_ARGUMENT with all that is wrong.</summary>
    public static RpcException Refusal(SamplingOptionsException exception) => Errors.InvalidArguments(
        [.. exception.Violations.Select(violation => (Path(violation.Option), Sentence(violation.Reason)))]);

    /// <param name="option">"Stop[0]"</param>
    /// <returns>"sampling.stop[0]"</returns>
    private static string Path(string option)
    {
        var name = option.Split('[')[0];
        return Fields.TryGetValue(name, out var field) ? $"{Field}.{field}{option[name.Length..]}" : option;
    }

    /// <summary>Of what a value is measured by, the name of its field.</summary>
    private static string Sentence(string reason) =>
        reason.Replace(nameof(SamplingOptions.MaxTokens), "max_new_tokens", StringComparison.Ordinal);
}
