using System.Net;

namespace Grpc.Net.Client.Balancer;

/// <summary>One address of a service.</summary>
public sealed class BalancerAddress(DnsEndPoint endPoint)
{
    public BalancerAddress(string host, int port)
        : this(new DnsEndPoint(host, port))
    {
    }

    public DnsEndPoint EndPoint { get; } = endPoint;

    public override string ToString() => $"{EndPoint.Host}:{EndPoint.Port}";
}

/// <summary>Finds the addresses of a service whose channel address has another scheme than http and https.</summary>
public abstract class ResolverFactory
{
    private protected ResolverFactory()
    {
    }

    /// <summary>The scheme of the channel addresses that this resolves.</summary>
    public abstract string Name { get; }

    internal abstract IEnumerable<BalancerAddress> Resolve(Uri address);
}

/// <summary>"static:///anything": a fixed list of addresses.</summary>
public sealed class StaticResolverFactory(Func<Uri, IEnumerable<BalancerAddress>> addressesCallback) : ResolverFactory
{
    public override string Name => "static";

    internal override IEnumerable<BalancerAddress> Resolve(Uri address) => addressesCallback(address);
}
