namespace Serving.Architecture.Tests;

/// <summary>Strongly connected components of a directed graph (Tarjan 1972), those of one node left out.</summary>
internal static class Cycles
{
    /// <returns>The nodes of each, in their order.</returns>
    public static IEnumerable<IReadOnlyList<string>> In(ILookup<string, string> uses)
    {
        var found = new List<IReadOnlyList<string>>();
        var order = new Dictionary<string, int>(StringComparer.Ordinal);
        var lowest = new Dictionary<string, int>(StringComparer.Ordinal);
        var open = new Stack<string>();
        foreach (var node in uses.Select(group => group.Key).Order(StringComparer.Ordinal))
        {
            if (!order.ContainsKey(node))
                Visit(node);
        }

        return found;

        void Visit(string node)
        {
            lowest[node] = order[node] = order.Count;
            open.Push(node);
            foreach (var used in uses[node])
            {
                if (!order.ContainsKey(used))
                    Visit(used);
                if (open.Contains(used))
                    lowest[node] = Math.Min(lowest[node], lowest[used]);
            }

            if (lowest[node] != order[node])
                return;
            var component = new List<string>();
            do
                component.Add(open.Pop());
            while (component[^1] != node);
            if (component.Count > 1)
                found.Add([.. component.Order(StringComparer.Ordinal)]);
        }
    }
}
