using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Serving.Architecture.Tests;

/// <summary>A namespace in the assembly that declares its types.</summary>
internal sealed record Module(string Assembly, string Namespace)
{
    public override string ToString() => Namespace.Length == 0 ? $"{Assembly} (no namespace)" : Namespace;
}

/// <summary>What an assembly's types use of ours: in bases, fields, signatures and method bodies.</summary>
internal sealed class TypeGraph
{
    private readonly MetadataReader _reader;
    private readonly PEReader _file;
    private readonly string _assembly;
    private readonly HashSet<(Module From, Module To)> _edges = [];

    private TypeGraph(PEReader file)
    {
        _file = file;
        _reader = file.GetMetadataReader();
        _assembly = _reader.GetString(_reader.GetAssemblyDefinition().Name);
    }

    /// <summary>Edges between namespaces of our assemblies, none from a namespace to itself.</summary>
    /// <param name="path">An assembly.</param>
    public static IReadOnlySet<(Module From, Module To)> Read(string path)
    {
        using var file = new PEReader(File.OpenRead(path));
        var graph = new TypeGraph(file);
        foreach (var type in graph._reader.TypeDefinitions)
            graph.Add(type);
        return graph._edges;
    }

    private void Add(TypeDefinitionHandle handle)
    {
        var type = _reader.GetTypeDefinition(handle);
        if (OfDefinition(handle) is not { } from)
            return;
        var uses = new UsedTypes(_reader);
        uses.Add(type.BaseType);
        foreach (var implemented in type.GetInterfaceImplementations())
            uses.Add(_reader.GetInterfaceImplementation(implemented).Interface);
        foreach (var field in type.GetFields())
            _reader.GetFieldDefinition(field).DecodeSignature(uses, default);
        foreach (var parameter in type.GetGenericParameters())
            AddConstraints(parameter, uses);
        foreach (var method in type.GetMethods())
            Add(_reader.GetMethodDefinition(method), uses);
        foreach (var used in uses.Handles)
        {
            if (Of(used) is { } to && to != from)
                _edges.Add((from, to));
        }
    }

    private void Add(MethodDefinition method, UsedTypes uses)
    {
        method.DecodeSignature(uses, default);
        foreach (var parameter in method.GetGenericParameters())
            AddConstraints(parameter, uses);
        if (method.RelativeVirtualAddress == 0)
            return;
        var body = _file.GetMethodBody(method.RelativeVirtualAddress);
        if (!body.LocalSignature.IsNil)
            _reader.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(uses, default);
        foreach (var region in body.ExceptionRegions)
            uses.Add(region.CatchType);
        foreach (var token in MethodTokens.Of(body.GetILBytes()!))
            uses.Add(MetadataTokens.EntityHandle(token));
    }

    private void AddConstraints(GenericParameterHandle parameter, UsedTypes uses)
    {
        foreach (var constraint in _reader.GetGenericParameter(parameter).GetConstraints())
            uses.Add(_reader.GetGenericParameterConstraint(constraint).Type);
    }

    /// <returns>Null for types of others.</returns>
    private Module? Of(EntityHandle type) => type.Kind switch
    {
        HandleKind.TypeDefinition => OfDefinition((TypeDefinitionHandle)type),
        HandleKind.TypeReference => OfReference((TypeReferenceHandle)type),
        _ => null
    };

    /// <returns>Null for what the compiler adds beside our types.</returns>
    private Module? OfDefinition(TypeDefinitionHandle handle)
    {
        var type = _reader.GetTypeDefinition(handle);
        if (type.GetDeclaringType() is { IsNil: false } outer)
            return OfDefinition(outer);
        return _reader.GetString(type.Name).StartsWith('<')
            ? null
            : new(_assembly, _reader.GetString(type.Namespace));
    }

    private Module? OfReference(TypeReferenceHandle handle)
    {
        var type = _reader.GetTypeReference(handle);
        if (type.ResolutionScope.Kind == HandleKind.TypeReference)
            return OfReference((TypeReferenceHandle)type.ResolutionScope);
        if (type.ResolutionScope.Kind != HandleKind.AssemblyReference)
            return null;
        var assembly = _reader.GetString(
            _reader.GetAssemblyReference((AssemblyReferenceHandle)type.ResolutionScope).Name);
        return Assemblies.IsOurs(assembly) ? new(assembly, _reader.GetString(type.Namespace)) : null;
    }
}
