using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Reflection.V1;
using Microsoft.AspNetCore.Builder;
using Serving.InteropHost;
using Serving.Testing;
using V1Alpha = Grpc.Reflection.V1Alpha;

namespace Serving.Rpc.Services.Tests;

public sealed class ReflectionTests : IAsyncLifetime
{
    private WebApplication _app = null!;
    private GrpcChannel _channel = null!;

    public async Task InitializeAsync()
    {
        _app = InteropApplication.Build(new InteropHostOptions());
        await _app.StartAsync();
        _channel = GrpcChannel.ForAddress(_app.Urls.First());
    }

    public async Task DisposeAsync()
    {
        _channel.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task ListServices_NamesWhatIsServed_AndNothingElse()
    {
        var response = await AskAsync(new ServerReflectionRequest { ListServices = "" });

        Assert.Equal(
            [
                "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
                "grpc.testing.TestService"
            ],
            response.ListServicesResponse.Service.Select(service => service.Name));
    }

    [Theory]
    [InlineData("grpc.testing.TestService")]
    [InlineData("grpc.testing.TestService.UnaryCall")]
    [InlineData("grpc.testing.SimpleRequest")]
    [InlineData("grpc.testing.SimpleRequest.payload")]
    [InlineData("grpc.testing.PayloadType")]
    [InlineData("grpc.health.v1.HealthCheckResponse.ServingStatus")]
    public async Task FileContainingSymbol_ComesWithItsImports_ImportsFirst(string symbol)
    {
        var response = await AskAsync(new ServerReflectionRequest { FileContainingSymbol = symbol });

        var files = response.FileDescriptorResponse.FileDescriptorProto.Select(FileDescriptorProto.Parser.ParseFrom).ToList();
        var known = new HashSet<string>();
        foreach (var file in files)
        {
            Assert.All(file.Dependency, import => Assert.Contains(import, known));
            known.Add(file.Name);
        }

        // What came is enough to build the descriptors from.
        var built = FileDescriptor.BuildFromByteStrings(files.Select(file => file.ToByteString()));
        Assert.Equal(files.Count, built.Count);
    }

    [Fact]
    public async Task FileByFilename_IsThatFile()
    {
        var response = await AskAsync(new ServerReflectionRequest { FileByFilename = "grpc/testing/empty.proto" });
        var file = FileDescriptorProto.Parser.ParseFrom(Assert.Single(response.FileDescriptorResponse.FileDescriptorProto));
        Assert.Equal("Empty", file.MessageType.Single().Name);
    }

    public static TheoryData<ServerReflectionRequest> Unknown =>
    [
        new ServerReflectionRequest { FileContainingSymbol = "no.Such" },
        new ServerReflectionRequest { FileByFilename = "no/such.proto" },
        new ServerReflectionRequest { AllExtensionNumbersOfType = "no.Such" },
        new ServerReflectionRequest
        {
            FileContainingExtension = new ExtensionRequest { ContainingType = "grpc.testing.Empty", ExtensionNumber = 7 }
        }
    ];

    [Theory]
    [MemberData(nameof(Unknown))]
    public async Task WhatIsUnknown_IsNotFound_AndTheStreamGoesOn(ServerReflectionRequest request)
    {
        var client = new ServerReflection.ServerReflectionClient(_channel);
        using var call = client.ServerReflectionInfo();
        await call.RequestStream.WriteAsync(request);
        Assert.True(await call.ResponseStream.MoveNext().Within());
        Assert.Equal((int)StatusCode.NotFound, call.ResponseStream.Current.ErrorResponse.ErrorCode);
        Assert.Equal(request, call.ResponseStream.Current.OriginalRequest);

        await call.RequestStream.WriteAsync(new ServerReflectionRequest { AllExtensionNumbersOfType = "grpc.testing.Empty" });
        Assert.True(await call.ResponseStream.MoveNext().Within());
        Assert.Empty(call.ResponseStream.Current.AllExtensionNumbersResponse.ExtensionNumber);
    }

    [Fact]
    public async Task Alpha_AnswersTheSame()
    {
        var client = new V1Alpha.ServerReflection.ServerReflectionClient(_channel);
        using var call = client.ServerReflectionInfo();
        await call.RequestStream.WriteAsync(new V1Alpha.ServerReflectionRequest { ListServices = "" });
        Assert.True(await call.ResponseStream.MoveNext().Within());

        var expected = await AskAsync(new ServerReflectionRequest { ListServices = "" });
        Assert.Equal(expected.ToByteString(), call.ResponseStream.Current.ToByteString());
    }

    private async Task<ServerReflectionResponse> AskAsync(ServerReflectionRequest request)
    {
        using var call = new ServerReflection.ServerReflectionClient(_channel).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(request);
        Assert.True(await call.ResponseStream.MoveNext().Within());
        var response = call.ResponseStream.Current;
        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext().Within());
        return response;
    }
}
