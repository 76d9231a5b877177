using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Serving.Server.Http;

/// <summary>A connection that its client resets ends, as one that is closed does.</summary>
/// <remarks>
/// Kestrel takes an end for the abortion of a request that is not whole at once, but a reset only when it hears of it
/// from the socket a little later. A body's reader that was faster fails in the meantime, and Kestrel logs as a fault
/// of the application's what that fails at, or that it can't read the rest of the body.
/// </remarks>
internal static class ConnectionResets
{
    public static void TakeResetsAsEnds(this ListenOptions endpoint) => endpoint.Use(next => connection =>
    {
        connection.Transport = new Transport(new Reader(connection.Transport.Input), connection.Transport.Output);
        return next(connection);
    });

    private sealed record Transport(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class Reader(PipeReader inner) : PipeReader
    {
        private static readonly ReadResult End =
            new(ReadOnlySequence<byte>.Empty, isCanceled: false, isCompleted: true);

        private bool _isReset;

        public override bool TryRead(out ReadResult result)
        {
            try
            {
                if (!_isReset)
                    return inner.TryRead(out result);
            }
            catch (IOException)
            {
                _isReset = true;
            }

            result = End;
            return true;
        }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            try
            {
                if (!_isReset)
                {
                    var read = inner.ReadAsync(cancellationToken);
                    return read.IsCompletedSuccessfully ? read : AwaitAsync(read);
                }
            }
            catch (IOException)
            {
                _isReset = true;
            }

            return new(End);
        }

        public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
            if (!_isReset)
                inner.AdvanceTo(consumed, examined);
        }

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);

        private async ValueTask<ReadResult> AwaitAsync(ValueTask<ReadResult> read)
        {
            try
            {
                return await read;
            }
            catch (IOException)
            {
                _isReset = true;
                return End;
            }
        }
    }
}
