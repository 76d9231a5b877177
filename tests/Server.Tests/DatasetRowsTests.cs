using System.Text;
using Grpc.Core;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

/// <summary>What users' files come to through the service.</summary>
public sealed class DatasetRowsTests
{
    private static readonly DatasetHeader Labelled =
        new() { Name = "set", TextColumn = "text", LabelColumn = "label", MaxRejectedRows = 1 };

    [Fact]
    public async Task Upload_ThatLosesRows_IsRefused_HoweverManyMayBeLeftOut()
    {
        await using var server = await TestServer.StartAsync();
        var refused = await RefusedAsync(
            () => UploadAsync(server, With(DatasetFormat.Csv), "text,label\na,x\n\"b,y\nc,x\n"u8.ToArray()));
        Assert.Equal(
            (StatusCode.InvalidArgument,
                "chunk: Line 3 opens a quote that nothing closes. Close it, or double it if it is text."),
            (refused.StatusCode, refused.Status.Detail));
        Assert.Empty((await server.Client.Datasets.ListDatasetsAsync(new())).Datasets);
    }

    [Fact]
    public async Task Upload_CountsRowsThatAreLeftOut_AndLabels()
    {
        await using var server = await TestServer.StartAsync();
        var dataset = await UploadAsync(
            server, With(DatasetFormat.Jsonl),
            "{\"text\":\"a\"}\n\n{\"text\":\"b\",\"label\":1}\n{\"text\":\"c\",\"label\":1.0}\n"u8.ToArray());
        Assert.Equal((2, 1, true), (dataset.Rows, dataset.RejectedRows, dataset.HasNumbers));
        Assert.Equal([new LabelCount { Label = "1", Rows = 2 }], dataset.Labels);
        Assert.Equal([new RejectedRow { Line = 1, Reason = "has no label" }], dataset.Rejected);
    }

    [Fact]
    public async Task Preview_OfLongTexts_IsTheirBeginning()
    {
        await using var server = await TestServer.StartAsync();
        var text = "a" + string.Concat(Enumerable.Repeat("😀", 2_000_000));
        await UploadAsync(
            server, With(DatasetFormat.Tsv), Encoding.UTF8.GetBytes($"text\tlabel\n{text}\tx\n{text}b\ty\n"));
        var shown = await server.Client.Datasets.GetDatasetAsync(new() { Name = "set" });
        Assert.All(shown.Preview, row => Assert.Equal(text[..999], row.Text));
    }

    [SharedFact("cases/f01-truncated.tsv.gz")]
    public async Task Upload_OfAHandedGzipFileThatBreaksOff_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        var file = await File.ReadAllBytesAsync(SharedFiles.At("cases/f01-truncated.tsv.gz"));
        var refused = await RefusedAsync(() => UploadAsync(server, With(DatasetFormat.Tsv), file));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.StartsWith("chunk: The gzip file ends early", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Job_OverADatasetThatCannotBeSplit_IsRefusedAtSubmission()
    {
        await using var server = await TrainingServer.StartAsync();
        await TrainingServer.UploadAsync(server, "same", Enumerable.Range(0, 20).Select(i => $"same text\t{i % 2}"));
        var recipe = TrainingServer.Mask(epochs: 1);
        recipe.Dataset = "same";
        var refused = await RefusedAsync(() => TrainingServer.SubmitAsync(server, recipe, publish: null));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.StartsWith(
            "spec.classifier.validation_share: No text of the dataset 'same' can be held out", refused.Status.Detail,
            StringComparison.Ordinal);
        Assert.Empty((await server.Client.Jobs.ListJobsAsync(new())).Jobs);
    }

    private static DatasetHeader With(DatasetFormat format) => new(Labelled) { Format = format };

    private static Task<RpcException> RefusedAsync(Func<Task> call) => Assert.ThrowsAsync<RpcException>(call);

    private static async Task<Dataset> UploadAsync(TestServer server, DatasetHeader header, byte[] file)
    {
        var path = Path.Combine(server.Data.Path, "file");
        await File.WriteAllBytesAsync(path, file);
        return await server.Client.UploadDatasetAsync(header, path).Within();
    }
}
