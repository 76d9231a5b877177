using Google.Rpc;
using Grpc.Core;
using Serving.Server.Failures;
using Serving.Storage;

namespace Serving.Server.Tests.Failures;

/// <summary>Errors of the layers below, as they arrive at clients.</summary>
public sealed class ErrorsTests
{
    private const string Found = "It is 70000";
    private const string Needed = "1 to 1000 is needed";
    private const string Remedy = "choose another";

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(3);

    private static readonly Dictionary<ErrorKind, (DomainException Error, StatusCode Code)> Table = new()
    {
        [ErrorKind.Invalid] = (
            DomainException.Invalid("inputs[3].text", Found, Needed, Remedy), StatusCode.InvalidArgument),
        [ErrorKind.NotFound] = (
            DomainException.NotFound("task", "sentimnet", ["sentiment", "topic"]), StatusCode.NotFound),
        [ErrorKind.FailedPrecondition] = (
            DomainException.FailedPrecondition("tasks/t", Found, Needed, Remedy), StatusCode.FailedPrecondition),
        [ErrorKind.AlreadyExists] = (
            DomainException.AlreadyExists("dataset", "films", Found, Remedy), StatusCode.AlreadyExists),
        [ErrorKind.Conflict] = (DomainException.Conflict("tasks/t", Found, Needed, Remedy), StatusCode.Aborted),
        [ErrorKind.TooLarge] = (DomainException.TooLarge(Found, Needed, Remedy), StatusCode.ResourceExhausted),
        [ErrorKind.Exhausted] = (DomainException.Exhausted(Found, Remedy, Soon), StatusCode.ResourceExhausted),
        [ErrorKind.Unavailable] = (DomainException.Unavailable(Found, Remedy), StatusCode.Unavailable),
        [ErrorKind.Corrupted] = (DomainException.Corrupted("aliases.json", Found, Needed, Remedy), StatusCode.DataLoss)
    };

    public static TheoryData<ErrorKind> Kinds => [.. Enum.GetValues<ErrorKind>()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Error_OfEachKind_ArrivesWithAllOfIt(ErrorKind kind)
    {
        var (error, code) = Table[kind];
        var status = Errors.Of(error);

        Assert.Equal((kind, code), (error.Kind, status.StatusCode));
        foreach (var part in new[] { error.Found, error.Needed, error.Remedy }.OfType<string>())
            Assert.Contains(part, status.Status.Detail, StringComparison.OrdinalIgnoreCase);
        Assert.All(error.Known, known => Assert.Contains($"'{known}'", status.Status.Detail, StringComparison.Ordinal));
        Assert.EndsWith(".", status.Status.Detail, StringComparison.Ordinal);
        var details = status.GetRpcStatus()!;
        Assert.Equal(
            error.Field is null ? [] : [(error.Field, error.Sentence)],
            details.GetDetail<BadRequest>()?.FieldViolations.Select(
                violation => (violation.Field, violation.Description)) ?? []);
        Assert.Equal(
            error.Resource.Length == 0 ? null : (error.Resource, error.Subject),
            details.GetDetail<ResourceInfo>() is { } info
                ? (info.ResourceType, info.ResourceName)
                : ((string, string)?)null);
        Assert.Equal(
            kind == ErrorKind.FailedPrecondition ? [error.Subject] : [],
            details.GetDetail<PreconditionFailure>()?.Violations.Select(violation => violation.Subject) ?? []);
        Assert.Equal(
            kind == ErrorKind.Exhausted ? Soon : null, details.GetDetail<RetryInfo>()?.RetryDelay.ToTimeSpan());
    }

    [Fact]
    public void Field_StandsBeforeTheSentence() => Assert.Equal(
        "inputs[3].text: It is 70000; 1 to 1000 is needed. Choose another.",
        Errors.Of(Table[ErrorKind.Invalid].Error).Status.Detail);

    [Fact]
    public void NotFound_SaysInItsDetailWhatIsNear() => Assert.Equal(
        "The nearest are 'sentiment', 'topic'.",
        Errors.Of(Table[ErrorKind.NotFound].Error).GetRpcStatus()!.GetDetail<ResourceInfo>()!.Description);
}
