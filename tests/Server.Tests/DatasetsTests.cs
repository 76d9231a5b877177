using System.Text;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

public sealed class DatasetsTests
{
    private const string Rows = "sentence\tlabel\ngood\tpos\nbad\tneg\nfine\tpos\n";

    [Fact]
    public async Task Upload_List_Show_Delete()
    {
        await using var server = await TestServer.StartAsync();
        var dataset = await UploadAsync(server, Header("films"), Rows);

        Assert.Equal(("films", 3L, 0L, false, false), (
            dataset.Name, dataset.Rows, dataset.RejectedRows, dataset.HasPairs, dataset.HasNumbers));
        Assert.Equal([("neg", 1L), ("pos", 2L)], dataset.Labels.Select(label => (label.Label, label.Rows)));
        await UploadAsync(server, Header("another"), Rows + "so so\tneg\n");
        Assert.Equal(["another", "films"], (await server.Client.Datasets.ListDatasetsAsync(new()))
            .Datasets.Select(other => other.Name));
        var shown = await server.Client.Datasets.GetDatasetAsync(new() { Name = "films" });
        Assert.Equal(
            [("good", "pos"), ("bad", "neg"), ("fine", "pos")], shown.Preview.Select(row => (row.Text, row.Label)));
        Assert.All(shown.Preview, row => Assert.False(row.HasPair));
        Assert.Equal(
            dataset.Bytes, (await server.Client.Datasets.DeleteDatasetAsync(new() { Name = "films" })).FreedBytes);
        var gone = await Assert.ThrowsAsync<RpcException>(
            async () => await server.Client.Datasets.GetDatasetAsync(new() { Name = "filme" }));
        Assert.Equal((StatusCode.NotFound, "There is no dataset 'filme'. The nearest are 'another'."), (
            gone.StatusCode, gone.Status.Detail));
        Assert.Single(Directory.GetDirectories(Path.Combine(server.Data.Path, "datasets")));
    }

    [Fact]
    public async Task Upload_OutlivesARestart_AndUnfinishedOnesDoNot()
    {
        await using var server = await TestServer.StartAsync();
        var dataset = await UploadAsync(server, Header("films"), Rows);
        var folder = Path.Combine(server.Data.Path, "datasets");
        Directory.CreateDirectory(Path.Combine(folder, ".upload-of-one-that-was-killed"));
        Directory.CreateDirectory(Path.Combine(folder, "no dataset"));
        await server.EndAsync();

        await using var again = await TestServer.RestartAsync(server.Data);

        Assert.Equal([dataset], (await again.Client.Datasets.ListDatasetsAsync(new())).Datasets);
        Assert.Equal(2, Directory.GetDirectories(folder).Length);
    }

    [Fact]
    public async Task Upload_Refused_SaysWhyAndLeavesNothing()
    {
        await using var server = await TestServer.StartAsync(
            "--Server:MaxDatasetBytes=2000", "--Server:MaxDatasetsBytes=2500");
        await UploadAsync(server, Header("films"), Rows);
        async Task RefusedAsync(StatusCode status, string message, DatasetHeader header, byte[] file)
        {
            var refused = await Assert.ThrowsAsync<RpcException>(() => UploadAsync(server, header, file));
            Assert.Equal((status, message), (refused.StatusCode, refused.Status.Detail));
        }

        var bytes = Encoding.UTF8.GetBytes(Rows);
        await RefusedAsync(
            StatusCode.AlreadyExists,
            "There is a dataset 'films' already; delete it first, or choose another name.",
            Header("films"),
            bytes);
        await RefusedAsync(
            StatusCode.AlreadyExists, "The dataset 'films' has the very same rows; use that.", Header("same"), bytes);
        await RefusedAsync(
            StatusCode.InvalidArgument,
            "chunk: There is no column 'text'; there are: sentence, label.",
            new(Header("x")) { TextColumn = "text" },
            bytes);
        await RefusedAsync(
            StatusCode.InvalidArgument,
            "header.text_column: It is missing; name the column of the text.",
            new(Header("x")) { TextColumn = "" },
            bytes);
        await RefusedAsync(
            StatusCode.InvalidArgument,
            "chunk: Line 2 is not UTF-8. Convert the file, for example with iconv.",
            Header("x"),
            [.. "sentence\tlabel\n"u8, 0xFF, .. "\t1\n"u8]);
        await RefusedAsync(
            StatusCode.InvalidArgument,
            "chunk: More than 0 rows can't be used. Line 3 has no label. Mend the file, or allow more.",
            Header("x"),
            "sentence\tlabel\na\t1\nb\t\n"u8.ToArray());
        await RefusedAsync(
            StatusCode.ResourceExhausted,
            "The file has more than 2000 bytes, the most for a dataset (Server:MaxDatasetBytes); cut it into several.",
            Header("x"),
            new byte[2001]);
        var most = Encoding.UTF8.GetBytes("sentence\tlabel\n" + string.Concat(
            Enumerable.Range(0, 60).Select(i => $"some text number {i}\t{i % 2}\n")));
        var full = await Assert.ThrowsAsync<RpcException>(() => UploadAsync(server, Header("x"), most));
        Assert.Equal(StatusCode.ResourceExhausted, full.StatusCode);
        Assert.EndsWith(
            "bytes; 2500 are allowed (Server:MaxDatasetsBytes). Delete some.", full.Status.Detail,
            StringComparison.Ordinal);
        var name = await Assert.ThrowsAsync<RpcException>(() => UploadAsync(server, Header("../x"), bytes));
        Assert.Equal("header.name", name.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Single().Field);

        Assert.Single((await server.Client.Datasets.ListDatasetsAsync(new())).Datasets);
        Assert.Single(Directory.GetDirectories(Path.Combine(server.Data.Path, "datasets")));
    }

    /// <summary>Many times, for an upload that is given up must never end as if that were all of it.</summary>
    [Fact]
    public async Task Upload_ThatIsGivenUp_LeavesNothing()
    {
        await using var server = await TestServer.StartAsync();
        for (var round = 0; round < 200; round++)
        {
            using var cancellation = new CancellationTokenSource();
            using var call = server.Client.Datasets.UploadDataset(cancellationToken: cancellation.Token);
            await call.RequestStream.WriteAsync(new() { Header = Header("films") });
            await call.RequestStream.WriteAsync(new() { Chunk = ByteString.CopyFromUtf8(Rows) });
            await Eventually.TrueAsync(() => Folders() == 1, "the upload has begun");
            await cancellation.CancelAsync();
            await Eventually.TrueAsync(() => Folders() == 0, "the upload is gone");
        }

        Assert.Empty((await server.Client.Datasets.ListDatasetsAsync(new())).Datasets);

        int Folders() => Directory.GetDirectories(Path.Combine(server.Data.Path, "datasets")).Length;
    }

    private static DatasetHeader Header(string name) =>
        new() { Name = name, TextColumn = "sentence", LabelColumn = "label" };

    private static Task<Dataset> UploadAsync(TestServer server, DatasetHeader header, string rows) =>
        UploadAsync(server, header, Encoding.UTF8.GetBytes(rows));

    private static async Task<Dataset> UploadAsync(TestServer server, DatasetHeader header, byte[] file)
    {
        var path = Path.Combine(server.Data.Path, $"{Guid.NewGuid():N}.tsv");
        await File.WriteAllBytesAsync(path, file);
        return await server.Client.UploadDatasetAsync(header, path).Within();
    }
}
