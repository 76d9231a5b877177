using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.Wire.WireServer;

namespace Serving.Server.Tests.Wire;

/// <summary>Tests that measure the process: nothing else runs beside them.</summary>
[CollectionDefinition(nameof(AloneCollection), DisableParallelization = true)]
public sealed class AloneCollection;

/// <summary>The limit on messages, 4 MiB here, holds for what they decompress to, before that is in memory.</summary>
[Collection(nameof(AloneCollection))]
public sealed class MessageSizeTests(WireServer server) : IClassFixture<WireServer>
{
    private const int MiB = 1024 * 1024;

    /// <summary>
    /// Grpc.AspNetCore takes twice the limit (with one of 256 MiB: 513 MiB); the rest is the request and room.
    /// </summary>
    private const long MostAllocated = 48 * MiB;

    [Theory]
    [InlineData(Classify, "", 4 * MiB, 3)] // As large as may be; what it asks for is refused: INVALID_ARGUMENT.
    [InlineData(Classify, "", (4 * MiB) + 1, 8)] // RESOURCE_EXHAUSTED
    [InlineData(Classify, "gzip", 4 * MiB, 3)]
    [InlineData(Classify, "gzip", (4 * MiB) + 1, 8)]
    [InlineData(Classify, "deflate", 4 * MiB, 3)]
    [InlineData(Classify, "deflate", (4 * MiB) + 1, 8)]
    [InlineData(ClassifyStream, "gzip", (4 * MiB) + 1, 8)]
    [InlineData("/serving.v1.Datasets/UploadDataset", "gzip", (4 * MiB) + 1, 8)]
    public async Task Message_OverTheLimit_IsRefused(string path, string encoding, int bytes, int status)
    {
        var request = new ClassifyRequest { Inputs = { new TextInput { Text = "" } } };
        var overhead = 0; // Of lengths, which grow with the text.
        while (request.CalculateSize() != bytes)
        {
            request.Inputs[0].Text = new string('a', bytes - overhead);
            overhead += request.CalculateSize() - bytes;
        }

        var message = request.ToByteArray();
        var body = encoding.Length == 0
            ? Frame(0, message.Length, message) : RequestWireTests.Compressed(encoding, message);

        var (actual, detail) = await SendAsync(path, body, encoding);

        Assert.True(status == actual, $"{actual}: {detail}");
        await server.NextCallIsAnsweredAsync();
    }

    [Theory]
    [InlineData(Classify, 64)]
    [InlineData(Classify, 1024)]
    [InlineData(ClassifyStream, 1024)]
    public async Task GzipBomb_IsStoppedAtTheLimit_NotInMemory(string path, int mebibytes)
    {
        var member = new MemoryStream();
        using (var gzip = new GZipStream(member, CompressionLevel.SmallestSize, leaveOpen: true))
            gzip.Write(new byte[MiB]);
        // Members, RFC 1952, 2.2
        var bomb = Enumerable.Repeat(member.ToArray(), mebibytes).SelectMany(bytes => bytes).ToArray();
        Assert.True(bomb.Length < 2 * MiB);
        var body = Frame(1, bomb.Length, bomb);
        await SendAsync(path, body, "gzip"); // What is made once is made.
        var before = GC.GetTotalAllocatedBytes(precise: true);

        var (status, detail) = await SendAsync(path, body, "gzip");

        var allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Assert.True(status == 8, $"{status}: {detail}");
        Assert.True(
            allocated < MostAllocated, $"{mebibytes} MiB of zeros in {bomb.Length} bytes took {allocated / MiB} MiB.");
        await server.NextCallIsAnsweredAsync();
    }

    /// <summary>By a client that minds flow control.</summary>
    private async Task<(int Status, string Message)> SendAsync(string path, byte[] body, string encoding)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{server.Server.Address}{path}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body)
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new("trailers"));
        if (encoding.Length > 0)
            request.Headers.Add("grpc-encoding", encoding);
        using var response = await http.SendAsync(request).Within();
        await response.Content.ReadAsByteArrayAsync().Within();
        HttpHeaders headers = response.TrailingHeaders.Contains("grpc-status")
            ? response.TrailingHeaders
            : response.Headers;
        return (int.Parse(headers.GetValues("grpc-status").Single()),
            headers.TryGetValues("grpc-message", out var messages) ? messages.Single() : "");
    }
}
