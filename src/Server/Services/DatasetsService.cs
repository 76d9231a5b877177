using Grpc.Core;
using Serving.Server.Datasets;
using Serving.Storage;
using Serving.Training.Data;

namespace Serving.Server.Services;

/// <summary>serving.v1.Datasets.</summary>
internal sealed class DatasetsService(DatasetStore store) : V1.Datasets.DatasetsBase
{
    private const int PreviewRows = 5;
    private const int PreviewLength = 1000;

    public override async Task<V1.Dataset> UploadDataset(
        IAsyncStreamReader<V1.UploadDatasetRequest> requestStream, ServerCallContext context)
    {
        if (!await requestStream.MoveNext(context.CancellationToken) || requestStream.Current.Header is not { } header)
            throw Errors.InvalidArgument("header", "It is missing; the first message names the dataset.");
        var name = ResourceName.Require("header.name", header.Name);
        var format = Format(header.Format);
        var columns = Columns(header, format);
        if (header.MaxRejectedRows < 0)
            throw Errors.InvalidArgument(
                "header.max_rejected_rows", $"{header.MaxRejectedRows} is out of range; 0 or more is needed.");
        using var upload = store.BeginUpload(name);
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            if (requestStream.Current.PartCase != V1.UploadDatasetRequest.PartOneofCase.Chunk)
                throw Errors.InvalidArgument(
                    "chunk", "A second header came; after the first message all others are chunks.");
            await upload.AppendAsync(requestStream.Current.Chunk.Memory, context.CancellationToken);
        }

        DatasetManifest manifest;
        try
        {
            manifest = await Task.Run(
                () => upload.Finish(name, format, columns, header.MaxRejectedRows, context.CancellationToken),
                context.CancellationToken);
        }
        catch (DatasetTooLargeException exception)
        {
            throw Errors.TooLarge(exception.Message);
        }
        catch (DatasetException exception)
        {
            throw Errors.InvalidArgument("chunk", exception.Message);
        }

        store.Commit(upload, manifest);
        return Message(manifest);
    }

    public override Task<V1.ListDatasetsResponse> ListDatasets(
        V1.ListDatasetsRequest request, ServerCallContext context) =>
        Task.FromResult(new V1.ListDatasetsResponse { Datasets = { store.All.Values.Select(Message) } });

    public override Task<V1.Dataset> GetDataset(V1.GetDatasetRequest request, ServerCallContext context)
    {
        var manifest = store.Require(ResourceName.Require("name", request.Name));
        var message = Message(manifest);
        message.Preview.AddRange(DatasetFolder.Rows(store.Folder(manifest)).Take(PreviewRows).Select(Message));
        return Task.FromResult(message);
    }

    public override Task<V1.DeleteDatasetResponse> DeleteDataset(
        V1.DeleteDatasetRequest request, ServerCallContext context) =>
        Task.FromResult<V1.DeleteDatasetResponse>(
            new() { FreedBytes = store.Delete(ResourceName.Require("name", request.Name)) });

    private static DatasetFormat Format(V1.DatasetFormat format) => format switch
    {
        V1.DatasetFormat.Unspecified or V1.DatasetFormat.Tsv => DatasetFormat.Tsv,
        V1.DatasetFormat.Csv => DatasetFormat.Csv,
        V1.DatasetFormat.Jsonl => DatasetFormat.Jsonl,
        V1.DatasetFormat.Lines => DatasetFormat.Lines,
        _ => throw Errors.InvalidArgument("header.format", $"{(int)format} is no format; see the enumeration.")
    };

    private static DatasetColumns Columns(V1.DatasetHeader header, DatasetFormat format)
    {
        var isTable = format != DatasetFormat.Lines;
        if (isTable && header.TextColumn.Length == 0)
            throw Errors.InvalidArgument("header.text_column", "It is missing; name the column of the text.");
        if (!isTable && (header.TextColumn + header.PairColumn + header.LabelColumn).Length > 0)
            throw Errors.InvalidArgument(
                "header.text_column", "Lines have no columns; leave them out, or choose another format.");
        return new(
            header.TextColumn,
            header.PairColumn.Length == 0 ? null : header.PairColumn,
            header.LabelColumn.Length == 0 ? null : header.LabelColumn,
            HasHeader: !header.NoHeader);
    }

    private static V1.Dataset Message(DatasetManifest manifest) => new()
    {
        Name = manifest.Name,
        Digest = manifest.Digest,
        Format = manifest.Format switch
        {
            DatasetFormat.Tsv => V1.DatasetFormat.Tsv,
            DatasetFormat.Csv => V1.DatasetFormat.Csv,
            DatasetFormat.Jsonl => V1.DatasetFormat.Jsonl,
            _ => V1.DatasetFormat.Lines
        },
        Rows = manifest.Rows,
        RejectedRows = manifest.Rejected,
        Rejected = { manifest.Problems.Select(
            problem => new V1.RejectedRow { Line = problem.Line, Reason = problem.Message }) },
        HasPairs = manifest.Columns.Pair is not null,
        Labels = { manifest.Labels.Select(label => new V1.LabelCount { Label = label.Label, Rows = label.Rows }) },
        HasNumbers = manifest.HasNumbers,
        Bytes = manifest.Bytes
    };

    private static V1.DatasetRow Message(DatasetRow row)
    {
        var message = new V1.DatasetRow { Text = Beginning(row.Text) };
        if (row.Pair is not null)
            message.Pair = Beginning(row.Pair);
        if (row.Label is not null)
            message.Label = Beginning(row.Label);
        return message;
    }

    private static string Beginning(string text)
    {
        if (text.Length <= PreviewLength)
            return text;
        return text[..(char.IsHighSurrogate(text[PreviewLength - 1]) ? PreviewLength - 1 : PreviewLength)];
    }
}
