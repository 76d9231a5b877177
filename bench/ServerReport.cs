namespace Serving.Bench;

/// <summary>Prints what a server did, and with what.</summary>
internal sealed class ServerReport(bool asJson, string shape, int tasks, ServerLoad load, string? processors)
{
    public string Shape => shape;

    private (string Name, object Value)[] Load =>
    [
        ("shape", shape),
        ("tasks", tasks),
        ("clients", load.Clients),
        ("mode", load.Rate > 0 ? "rate" : load.IsUnary ? "unary" : "stream"),
        ("offered_per_second", load.Rate),
        ("server_processors", processors ?? "all")
    ];

    private static (string Name, Func<ServerResult, double> Of)[] Figures =>
    [
        ("requests_per_second", result => result.AnsweredPerSecond),
        ("p50_ms", result => result.AnsweredWithin(0.50)),
        ("p99_ms", result => result.AnsweredWithin(0.99)),
        ("held_back_per_second", result => result.HeldBackPerSecond),
        ("rejected_per_second", result => result.RejectedPerSecond),
        ("rejected_p50_ms", result => result.RejectedWithin(0.50)),
        ("rejected_p99_ms", result => result.RejectedWithin(0.99)),
        ("jain_index", result => result.JainIndex),
        ("server_cpu_ms_per_request", result => result.ServerCpuPerRequest),
        ("client_cpu_ms_per_request", result => result.ClientCpuPerRequest)
    ];

    public void Print(ServerResult result) => Measurement.Print(
        asJson, [("bench", "server"), .. Load, .. Figures.Select(
            figure => (figure.Name, (object)Measurement.Rounded(figure.Of(result))))]);

    /// <summary>Prints every round without and with something, and the ratios of the medians.</summary>
    public void Compare(
        string what,
        List<ServerResult> without,
        List<ServerResult> with,
        params (string Name, object Value)[] more) => Measurement.Print(
        asJson,
        [
            ("bench", $"server, {what}"),
            .. Load,
            .. Figures.SelectMany(figure => Compare(
                what, figure.Name, without.ConvertAll(figure.Of.Invoke), with.ConvertAll(figure.Of.Invoke))),
            .. more
        ]);

    private static IEnumerable<(string Name, object Value)> Compare(
        string what, string name, List<double> without, List<double> with)
    {
        if (without.Concat(with).All(value => value == 0))
            yield break;
        yield return (name, List(without));
        yield return ($"{name}_{what}", List(with));
        if (Median(without) > 0)
            yield return ($"{name}_ratio_of_medians", Measurement.Rounded(Median(with) / Median(without)));
    }

    private static double[] List(List<double> values) => [.. values.Select(Measurement.Rounded)];

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
