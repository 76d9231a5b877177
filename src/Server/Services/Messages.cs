using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Inference.Classification;
using Serving.Models.Bert;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Server.Services;

/// <summary>From the server's own types to messages and back.</summary>
internal static class Messages
{
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: it is no value of the enumeration.</exception>
    public static Truncation Truncation(V1.Truncation truncation) => truncation switch
    {
        V1.Truncation.Unspecified or V1.Truncation.Error => Text.Bert.Truncation.Error,
        V1.Truncation.Right => Text.Bert.Truncation.Right,
        V1.Truncation.Left => Text.Bert.Truncation.Left,
        V1.Truncation.LongestFirst => Text.Bert.Truncation.LongestFirst,
        _ => throw Errors.InvalidArgument(
            "truncation", $"{(int)truncation} is no way to truncate; see the enumeration.")
    };

    public static V1.Pooling Pooling(Pooling pooling) => pooling switch
    {
        Models.Bert.Pooling.Pooler => V1.Pooling.Pooler,
        Models.Bert.Pooling.Cls => V1.Pooling.Cls,
        _ => V1.Pooling.Mean
    };

    /// <returns>Null for the default.</returns>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: it is no value of the enumeration.</exception>
    public static Pooling? Pooling(V1.Pooling pooling) => pooling switch
    {
        V1.Pooling.Unspecified => null,
        V1.Pooling.Pooler => Models.Bert.Pooling.Pooler,
        V1.Pooling.Cls => Models.Bert.Pooling.Cls,
        V1.Pooling.Mean => Models.Bert.Pooling.Mean,
        _ => throw Errors.InvalidArgument("pooling", $"{(int)pooling} is no way to pool; see the enumeration.")
    };

    public static V1.InputResult Result(InputScores scores) => new()
    {
        Classifications = { scores.Scores.Select(Classification) },
        Usage = Usage(scores.Whole),
        Timing = Timing(scores.Whole)
    };

    /// <param name="normalizes">Whether the vector is to have length 1.</param>
    public static V1.Embedding Embedding(EmbeddingResult result, bool normalizes)
    {
        var message = new V1.Embedding
        {
            Values = { normalizes ? Vectors.Normalized(result.Vector) : result.Vector },
            Usage = Usage(result),
            Timing = Timing(result)
        };
        foreach (var vector in result.TokenVectors?.Chunk(result.Vector.Length) ?? [])
            message.TokenVectors.Add(new V1.TokenVector { Values = { vector } });
        return message;
    }

    private static V1.Timing Timing(RequestResult answer) => new()
    {
        QueueSeconds = answer.Queued.TotalSeconds,
        ComputeSeconds = answer.Computed.TotalSeconds
    };

    public static V1.Usage Usage(RequestResult answer) => new()
    {
        Tokens = answer.Tokens,
        InputTokens = answer.Tokens + answer.DroppedTokens,
        Truncated = answer.DroppedTokens > 0
    };

    public static V1.TokenizedInput Tokenized(TokenSequence sequence, Vocabulary vocabulary, string text, string? pair)
    {
        var inText = CodePoints(text);
        var inPair = pair is null ? null : CodePoints(pair);
        var message = new V1.TokenizedInput
        {
            Usage = new()
            {
                Tokens = sequence.Tokens.Count,
                InputTokens = sequence.Tokens.Count + sequence.DroppedTokens,
                Truncated = sequence.DroppedTokens > 0
            }
        };
        foreach (var token in sequence.Tokens)
        {
            var positions = token.Source == TokenSource.Pair ? inPair : inText;
            message.Tokens.Add(new V1.Token
            {
                Id = token.Id,
                Piece = vocabulary[token.Id],
                Source = token.Source switch
                {
                    TokenSource.Text => V1.Token.Types.Source.Text,
                    TokenSource.Pair => V1.Token.Types.Source.Pair,
                    _ => V1.Token.Types.Source.Special
                },
                Start = positions?[token.Span.Start] ?? token.Span.Start,
                End = positions?[token.Span.End] ?? token.Span.End
            });
        }

        return message;
    }

    public static V1.Task Task(StoredTask task, RoutingTable table) => new()
    {
        Name = task.Name,
        Aliases = { task.Aliases.Aliases.Select(pair => Alias(pair.Key, pair.Value)) },
        Versions = { task.Versions.Values.Select(version => Version(task.Name, version, table.FindHost(version))) }
    };

    public static V1.Model Model(string name, ModelHost? host, ModelStore models)
    {
        var shape = host?.Shape ?? models.ReadShape(name, out _);
        var message = new V1.Model { Name = name, Loaded = host is not null, Memory = new() };
        if (shape is not null)
        {
            message.Architecture = shape.Kind;
            message.Layers = shape.Layers;
            message.Hidden = shape.Hidden;
            message.Heads = shape.Heads;
            message.Vocabulary = shape.Vocabulary;
            message.MaxTokens = shape.MaxTokens;
        }

        if (host is null)
        {
            models.ReadShape(name, out var problem);
            message.Problem = problem;
            return message;
        }

        var memory = host.Memory;
        message.Digest = host.Digest;
        message.Device = host.Device;
        message.Memory = new()
        {
            Parameters = memory.Parameters,
            Workspace = memory.Workspace,
            Cache = memory.Cache,
            Tasks = memory.Tasks.Sum(task => task.Bytes),
            Total = memory.Total,
            TaskVersions = memory.Tasks.Count
        };
        return message;
    }

    private static V1.Classification Classification(TaskScores scores)
    {
        var message = new V1.Classification { Task = scores.Task, Version = scores.Version, Label = scores.Label };
        for (var i = 0; i < scores.Labels.Count; i++)
        {
            message.Scores.Add(new V1.LabelScore
            {
                Label = scores.Labels[i],
                Logit = scores.Logits[i],
                Probability = scores.Probabilities[i]
            });
        }

        return message;
    }

    private static V1.Alias Alias(string name, AliasTarget target) => new()
    {
        Name = name,
        Version = target.Version,
        Canary = target.Canary is { } canary ? new() { Version = canary.Version, Share = canary.Share } : null,
        ShadowVersion = target.Shadow ?? "",
        PreviousVersions = { target.Previous }
    };

    private static V1.TaskVersion Version(string task, StoredVersion version, EncoderHost? host)
    {
        var resident = host?.Engine.Memory.Tasks.FirstOrDefault(memory => memory.Task == task
            && memory.Version == version.Version);
        return new()
        {
            Version = version.Version,
            Labels = { version.Manifest.Labels },
            ReadsPair = version.Manifest.Inputs == Models.Versions.TextInputs.Pair,
            Pooling = Pooling(version.Manifest.Pooling),
            Backbone = version.Manifest.Backbone,
            Model = host?.Name ?? "",
            Loaded = resident is not null,
            ResidentBytes = resident?.Bytes ?? 0,
            FileBytes = version.FileBytes,
            Metrics = { version.Manifest.Metrics.ToDictionary() },
            Density = host?.Density(version.Manifest.Kept) ?? 0
        };
    }

    /// <summary>For each UTF-16 position the number of code points before it.</summary>
    private static int[] CodePoints(string text)
    {
        var counts = new int[text.Length + 1];
        for (var i = 0; i < text.Length; i++)
            counts[i + 1] = counts[i] + (char.IsLowSurrogate(text[i]) ? 0 : 1);
        return counts;
    }
}
