using System.Collections.Immutable;
using System.Reflection.Metadata;

namespace Serving.Architecture.Tests;

/// <summary>Collects the types behind handles and in signatures, type arguments included.</summary>
internal sealed class UsedTypes(MetadataReader reader) : ISignatureTypeProvider<int, int>
{
    public HashSet<EntityHandle> Handles { get; } = [];

    /// <summary>A type, or a member, which uses the type that declares it and those of its signature.</summary>
    public void Add(EntityHandle handle)
    {
        if (handle.IsNil)
            return;
        switch (handle.Kind)
        {
            case HandleKind.TypeDefinition or HandleKind.TypeReference:
                Handles.Add(handle);
                break;
            case HandleKind.TypeSpecification:
                reader.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(this, default);
                break;
            case HandleKind.MemberReference:
                AddMember(reader.GetMemberReference((MemberReferenceHandle)handle));
                break;
            case HandleKind.MethodSpecification:
                var method = reader.GetMethodSpecification((MethodSpecificationHandle)handle);
                method.DecodeSignature(this, default);
                Add(method.Method);
                break;
            case HandleKind.MethodDefinition:
                Add(reader.GetMethodDefinition((MethodDefinitionHandle)handle).GetDeclaringType());
                break;
            case HandleKind.FieldDefinition:
                Add(reader.GetFieldDefinition((FieldDefinitionHandle)handle).GetDeclaringType());
                break;
        }
    }

    public int GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
    {
        Handles.Add(handle);
        return default;
    }

    public int GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind)
    {
        Handles.Add(handle);
        return default;
    }

    public int GetTypeFromSpecification(
        MetadataReader reader, int genericContext, TypeSpecificationHandle handle, byte rawTypeKind)
    {
        Add(handle);
        return default;
    }

    public int GetPrimitiveType(PrimitiveTypeCode typeCode) => default;

    public int GetSZArrayType(int elementType) => default;

    public int GetArrayType(int elementType, ArrayShape shape) => default;

    public int GetByReferenceType(int elementType) => default;

    public int GetPointerType(int elementType) => default;

    public int GetPinnedType(int elementType) => default;

    public int GetModifiedType(int modifier, int unmodifiedType, bool isRequired) => default;

    public int GetGenericInstantiation(int genericType, ImmutableArray<int> typeArguments) => default;

    public int GetGenericTypeParameter(int genericContext, int index) => default;

    public int GetGenericMethodParameter(int genericContext, int index) => default;

    public int GetFunctionPointerType(MethodSignature<int> signature) => default;

    private void AddMember(MemberReference member)
    {
        Add(member.Parent);
        if (member.GetKind() == MemberReferenceKind.Field)
            member.DecodeFieldSignature(this, default);
        else
            member.DecodeMethodSignature(this, default);
    }
}
