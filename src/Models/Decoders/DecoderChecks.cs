using Serving.Tensors;

namespace Serving.Models.Decoders;

/// <summary>What a batch must be to run.</summary>
internal static class DecoderChecks
{
    /// <exception cref="ShapeException">It does not fit.</exception>
    public static void ThrowUnlessFits(DecoderBatch batch, DecoderConfig config, DecoderLimits limits)
    {
        if (batch.SequenceCount == 0 || batch.SequenceCount > limits.Sequences || batch.TokenCount > limits.Tokens
            || batch.Rows.Length > limits.LogitRows)
        {
            throw new ShapeException(
                $"Forward: the batch has {batch.SequenceCount} sequences, {batch.TokenCount} tokens and "
                + $"{batch.Rows.Length} rows of logits; 1 to {limits.Sequences}, up to {limits.Tokens} and up to "
                + $"{limits.LogitRows} are needed.");
        }

        var blocks = 0;
        for (var i = 0; i < batch.SequenceCount; i++)
        {
            var sequence = batch.Sequences[i];
            var tokens = batch.Offsets[i + 1] - batch.Offsets[i];
            var total = sequence.Tokens + tokens;
            if (batch.Tokens[batch.Offsets[i]].Position != sequence.Tokens)
                throw new ShapeException($"Forward: sequence {i} has changed since it was added to the batch.");
            if (total > sequence.Room || total > config.MaxPositions)
            {
                throw new ShapeException(
                    $"Forward: sequence {i} has {sequence.Tokens} tokens and gets {tokens} more; its blocks have room "
                    + $"for {sequence.Room}, the model for {config.MaxPositions}.");
            }

            blocks += sequence.Blocks.Count;
        }

        if (blocks > limits.Blocks)
            throw new ShapeException($"Forward: the batch has {blocks} blocks; up to {limits.Blocks} are needed.");
    }
}
