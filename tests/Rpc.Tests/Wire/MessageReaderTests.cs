using System.Buffers;
using System.IO.Compression;
using System.IO.Pipelines;
using FsCheck;
using FsCheck.Fluent;
using Grpc.Core;
using Grpc.Net.Compression;
using Grpc.Wire;

namespace Serving.Rpc.Tests.Wire;

public sealed class MessageReaderTests
{
    private static readonly Marshaller<byte[]> Bytes = new(bytes => bytes, bytes => bytes);

    private static readonly ICompressionProvider?[] Compressions =
    [
        null,
        new GzipCompressionProvider(CompressionLevel.Fastest),
        new DeflateCompressionProvider(CompressionLevel.Fastest)
    ];

    [Fact]
    public void Messages_ComeBack_HoweverTheBytesAreCut()
    {
        var cases = from messages in Gen.ArrayOf(ArbMap.Default.GeneratorFor<byte[]>())
                    from cuts in Gen.ArrayOf(Gen.Choose(1, 50))
                    from compression in Gen.Elements(Compressions)
                    select (messages, cuts, compression);
        Prop.ForAll(
            cases.ToArbitrary(),
            test => RunAsync(test.messages, test.cuts, test.compression).GetAwaiter().GetResult()).QuickCheckThrowOnFailure();

        static async Task RunAsync(byte[][] messages, int[] cuts, ICompressionProvider? compression)
        {
            var written = new ArrayBufferWriter<byte>();
            var writer = new MessageWriter(written, maxBytes: null);
            foreach (var message in messages)
            {
                writer.Write(message, Bytes.ContextualSerializer, compression, level: null);
            }

            var pipe = new Pipe();
            var reader = new MessageReader<byte[]>(pipe.Reader, Bytes.ContextualDeserializer, maxBytes: null, compression);
            var sending = SendAsync(pipe.Writer, written.WrittenMemory, cuts);
            foreach (var message in messages)
            {
                Assert.True(await reader.ReadAsync(CancellationToken.None));
                Assert.Equal(message, reader.Current);
            }

            Assert.False(await reader.ReadAsync(CancellationToken.None));
            await sending;
        }

        static async Task SendAsync(PipeWriter pipe, ReadOnlyMemory<byte> bytes, int[] cuts)
        {
            for (var i = 0; bytes.Length > 0; i++)
            {
                var length = cuts.Length == 0 ? bytes.Length : Math.Min(cuts[i % cuts.Length], bytes.Length);
                await pipe.WriteAsync(bytes[..length]);
                bytes = bytes[length..];
            }

            await pipe.CompleteAsync();
        }
    }

    [Fact]
    public void RandomBytes_GiveMessagesOrAStatus() => Prop.ForAll(
        (from bytes in ArbMap.Default.GeneratorFor<byte[]>()
         from compression in Gen.Elements(Compressions)
         select (bytes, compression)).ToArbitrary(),
        test => RunAsync(test.bytes, test.compression).GetAwaiter().GetResult()).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Bomb_StopsAtTheLimit(int compression)
    {
        var bomb = new ArrayBufferWriter<byte>();
        new MessageWriter(bomb, maxBytes: null).Write(
            new byte[50_000_000], Bytes.ContextualSerializer, Compressions[compression], level: null);
        var reader = new MessageReader<byte[]>(
            PipeReader.Create(new ReadOnlySequence<byte>(bomb.WrittenMemory)),
            Bytes.ContextualDeserializer, maxBytes: 1_000_000, Compressions[compression]);

        var exception = await Assert.ThrowsAsync<RpcException>(() => reader.ReadAsync(CancellationToken.None).AsTask());

        Assert.Equal(StatusCode.ResourceExhausted, exception.StatusCode);
        Assert.True(bomb.WrittenCount < 1_000_000); // It is the decompressed size that is over the limit.
    }

    [Fact]
    public void SerializerThatLies_IsCaught()
    {
        var writer = new MessageWriter(new ArrayBufferWriter<byte>(), maxBytes: null);

        Assert.Throws<InvalidOperationException>(() => writer.Write("", (_, _) => { }, compression: null, level: null));
        Assert.False(writer.IsTorn);
        Assert.Throws<InvalidOperationException>(() => writer.Write(
            "",
            (_, context) =>
            {
                context.SetPayloadLength(3);
                context.GetBufferWriter().Write<byte>([1, 2]);
                context.Complete();
            },
            compression: null,
            level: null));
        Assert.True(writer.IsTorn);
    }

    private static async Task RunAsync(byte[] bytes, ICompressionProvider? compression)
    {
        var reader = new MessageReader<byte[]>(
            PipeReader.Create(new ReadOnlySequence<byte>(bytes)), Bytes.ContextualDeserializer, maxBytes: 1024, compression);
        try
        {
            while (await reader.ReadAsync(CancellationToken.None))
            {
                Assert.InRange(reader.Current!.Length, 0, 1024);
            }
        }
        catch (RpcException exception)
        {
            Assert.True(exception.StatusCode is StatusCode.Internal or StatusCode.ResourceExhausted);
        }
    }
}
