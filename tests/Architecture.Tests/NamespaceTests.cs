namespace Serving.Architecture.Tests;

/// <summary>What types use: only layers that the map allows, and no cycles between a layer's namespaces.</summary>
public sealed class NamespaceTests
{
    /// <summary>Cycles that are there, by layer; each is the names of its namespaces.</summary>
    private static readonly Dictionary<string, string[]> KnownCycles = new(StringComparer.Ordinal);

    public static TheoryData<string> Layers => [.. Assemblies.Layers];

    [Theory]
    [MemberData(nameof(Layers))]
    public void Types_UseOnlyLayersThatTheMapAllows(string layer)
    {
        var wrong = TypeGraph.Read(Assemblies.PathOf(layer))
            .Where(edge => edge.To.Assembly != edge.From.Assembly)
            .Where(edge => !LayerTests.Map[layer].Contains(Assemblies.Layer(edge.To.Assembly)))
            .Select(edge => $"{edge.From} uses {edge.To}");
        Assert.Empty(wrong);
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void Namespaces_HaveNoCycles(string layer)
    {
        var uses = TypeGraph.Read(Assemblies.PathOf(layer))
            .Where(edge => edge.To.Assembly == edge.From.Assembly)
            .ToLookup(edge => edge.From.Namespace, edge => edge.To.Namespace, StringComparer.Ordinal);
        var cycles = Cycles.In(uses).Select(cycle => string.Join(", ", cycle)).Order(StringComparer.Ordinal);
        Assert.Equal(KnownCycles.GetValueOrDefault(layer, []), cycles);
    }

    /// <summary>Names say where types are; those of messages are the protocol's.</summary>
    [Theory]
    [MemberData(nameof(Layers))]
    public void Namespaces_BeginWithTheirLayer(string layer)
    {
        var prefix = layer == "Protocol" ? "Serving.V1" : $"Serving.{layer}";
        var wrong = TypeGraph.Read(Assemblies.PathOf(layer))
            .Select(edge => edge.From.Namespace)
            .Distinct(StringComparer.Ordinal)
            .Where(name => name.StartsWith("Serving", StringComparison.Ordinal))
            .Where(name => name != prefix && !name.StartsWith(prefix + ".", StringComparison.Ordinal)
                && !(layer == "Protocol" && name == "Serving.Protocol"));
        Assert.Empty(wrong);
    }

    /// <summary>Services make errors in the bodies of methods only.</summary>
    [Fact]
    public void Uses_InMethodBodies_AreSeen()
    {
        var (services, failures) = ("Serving.Server.Services", "Serving.Server.Failures");
        Assert.Contains(
            (new Module("Serving.Server", services), new Module("Serving.Server", failures)),
            TypeGraph.Read(Assemblies.PathOf("Server")));
    }

    [Fact]
    public void Cycles_AreFound()
    {
        (string From, string To)[] uses =
            [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("e", "a"), ("d", "f"), ("f", "d")];
        Assert.Equal(
            ["b c", "d f"],
            Cycles.In(uses.ToLookup(use => use.From, use => use.To)).Select(cycle => string.Join(' ', cycle)).Order());
    }
}
