using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Reflection.V1;
using Serving.Server.Tests.Wire;
using Serving.Testing;
using V1Alpha = Grpc.Reflection.V1Alpha;

namespace Serving.Server.Tests;

public sealed class ReflectionTests : IClassFixture<WireServer>, IDisposable
{
    private readonly GrpcChannel _channel;

    public ReflectionTests(WireServer server) => _channel = GrpcChannel.ForAddress(server.Server.Address);

    public void Dispose() => _channel.Dispose();

    [Fact]
    public async Task ListServices_NamesWhatIsServed_AndNothingElse()
    {
        var response = await AskAsync(new() { ListServices = "" });

        Assert.Equal(
            [
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
                "serving.v1.Classifier",
                "serving.v1.Datasets", "serving.v1.Embedder", "serving.v1.Generator", "serving.v1.Jobs",
                "serving.v1.Models", "serving.v1.Tasks"
            ],
            response.ListServicesResponse.Service.Select(service => service.Name).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("serving.v1.Classifier")]
    [InlineData("serving.v1.Classifier.Classify")]
    [InlineData("serving.v1.TextInput")]
    [InlineData("serving.v1.JobState")]
    public async Task FileContainingSymbol_ComesWithItsImports(string symbol)
    {
        var response = await AskAsync(new() { FileContainingSymbol = symbol });

        var files = response.FileDescriptorResponse.FileDescriptorProto.Select(
            FileDescriptorProto.Parser.ParseFrom).ToList();
        var names = files.Select(file => file.Name).ToHashSet();
        Assert.All(files, file => Assert.Subset(names, file.Dependency.ToHashSet()));

        // What came is enough to build the descriptors from.
        var sorted = new List<FileDescriptorProto>();
        while (sorted.Count < files.Count)
            sorted.Add(files.First(file =>
                !sorted.Contains(file) && file.Dependency.All(import => sorted.Any(done => done.Name == import))));
        Assert.Equal(
            files.Count, FileDescriptor.BuildFromByteStrings(sorted.Select(file => file.ToByteString())).Count);
    }

    [Fact]
    public async Task WhatIsUnknown_IsNotFound_AndTheStreamGoesOn()
    {
        using var call = new ServerReflection.ServerReflectionClient(_channel).ServerReflectionInfo();
        ServerReflectionRequest[] unknown =
            [new() { FileContainingSymbol = "no.Such" }, new() { FileByFilename = "no/such.proto" }];
        foreach (var request in unknown)
        {
            await call.RequestStream.WriteAsync(request);
            Assert.True(await call.ResponseStream.MoveNext(default).Within());
            Assert.Equal((int)StatusCode.NotFound, call.ResponseStream.Current.ErrorResponse.ErrorCode);
        }

        await call.RequestStream.WriteAsync(new() { ListServices = "" });
        Assert.True(await call.ResponseStream.MoveNext(default).Within());
        Assert.NotEmpty(call.ResponseStream.Current.ListServicesResponse.Service);
    }

    [Fact]
    public async Task Alpha_AnswersTheSame()
    {
        using var call = new V1Alpha.ServerReflection.ServerReflectionClient(_channel).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(new() { ListServices = "" });
        Assert.True(await call.ResponseStream.MoveNext(default).Within());

        var answer = await AskAsync(new() { ListServices = "" });
        var expected = answer.ListServicesResponse.Service.Select(service => service.Name);
        Assert.Equal(
            expected, call.ResponseStream.Current.ListServicesResponse.Service.Select(service => service.Name));
    }

    private async Task<ServerReflectionResponse> AskAsync(ServerReflectionRequest request)
    {
        using var call = new ServerReflection.ServerReflectionClient(_channel).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(request);
        Assert.True(await call.ResponseStream.MoveNext(default).Within());
        var response = call.ResponseStream.Current;
        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext(default).Within());
        return response;
    }
}
