using Google.Protobuf;
using Grpc.Core;
using Serving.Protocol;

namespace Serving.V1;

// The generated marshallers call `__Helper_DeserializeMessage(context, parser)`. An overload for one type of message fits
// better than the generated one, which is generic, and takes its place: so each request is parsed by RequestParsing.

/// <content>Parsing of requests.</content>
public static partial class Classifier
{
    private static ClassifyRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ClassifyRequest> parser) => RequestParsing.Parse(context, parser);

    private static ClassifyStreamRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ClassifyStreamRequest> parser) => RequestParsing.Parse(context, parser);

    private static EncodeRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<EncodeRequest> parser) => RequestParsing.Parse(context, parser);

    private static TokenizeRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<TokenizeRequest> parser) => RequestParsing.Parse(context, parser);
}

/// <content>Parsing of requests.</content>
public static partial class Datasets
{
    private static DeleteDatasetRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<DeleteDatasetRequest> parser) => RequestParsing.Parse(context, parser);

    private static GetDatasetRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<GetDatasetRequest> parser) => RequestParsing.Parse(context, parser);

    private static ListDatasetsRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ListDatasetsRequest> parser) => RequestParsing.Parse(context, parser);

    private static UploadDatasetRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<UploadDatasetRequest> parser) => RequestParsing.Parse(context, parser);
}

/// <content>Parsing of requests.</content>
public static partial class Jobs
{
    private static CancelJobRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<CancelJobRequest> parser) => RequestParsing.Parse(context, parser);

    private static DeleteJobRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<DeleteJobRequest> parser) => RequestParsing.Parse(context, parser);

    private static DownloadArtifactRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<DownloadArtifactRequest> parser) => RequestParsing.Parse(context, parser);

    private static GetJobRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<GetJobRequest> parser) => RequestParsing.Parse(context, parser);

    private static ListJobsRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ListJobsRequest> parser) => RequestParsing.Parse(context, parser);

    private static ResumeJobRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ResumeJobRequest> parser) => RequestParsing.Parse(context, parser);

    private static SubmitJobRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<SubmitJobRequest> parser) => RequestParsing.Parse(context, parser);

    private static WatchJobRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<WatchJobRequest> parser) => RequestParsing.Parse(context, parser);
}

/// <content>Parsing of requests.</content>
public static partial class Models
{
    private static GetLimitsRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<GetLimitsRequest> parser) => RequestParsing.Parse(context, parser);

    private static GetModelRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<GetModelRequest> parser) => RequestParsing.Parse(context, parser);

    private static ListModelsRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ListModelsRequest> parser) => RequestParsing.Parse(context, parser);

    private static LoadModelRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<LoadModelRequest> parser) => RequestParsing.Parse(context, parser);

    private static UnloadModelRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<UnloadModelRequest> parser) => RequestParsing.Parse(context, parser);
}

/// <content>Parsing of requests.</content>
public static partial class Tasks
{
    private static CompareTasksRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<CompareTasksRequest> parser) => RequestParsing.Parse(context, parser);

    private static DeleteTaskVersionRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<DeleteTaskVersionRequest> parser) => RequestParsing.Parse(context, parser);

    private static ExportTaskRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ExportTaskRequest> parser) => RequestParsing.Parse(context, parser);

    private static GetTaskRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<GetTaskRequest> parser) => RequestParsing.Parse(context, parser);

    private static ImportTaskRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ImportTaskRequest> parser) => RequestParsing.Parse(context, parser);

    private static ListTasksRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ListTasksRequest> parser) => RequestParsing.Parse(context, parser);

    private static LoadTaskRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<LoadTaskRequest> parser) => RequestParsing.Parse(context, parser);

    private static SetAliasRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<SetAliasRequest> parser) => RequestParsing.Parse(context, parser);

    private static UnloadTaskRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<UnloadTaskRequest> parser) => RequestParsing.Parse(context, parser);
}
