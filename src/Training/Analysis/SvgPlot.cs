using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Serving.Training.Analysis;

/// <summary>Points of a chart.</summary>
/// <param name="Name">For the legend.</param>
/// <param name="IsLine">Whether a line goes through them, in their order.</param>
public sealed record PlotSeries(string Name, IReadOnlyList<(double X, double Y)> Points, bool IsLine = true);

/// <summary>Plots as SVG, which every browser shows.</summary>
public static class SvgPlot
{
    private const double Width = 640;
    private const double Height = 420;
    private const double Left = 70;
    private const double Right = 150; // Room for the legend.
    private const double Top = 40;
    private const double Bottom = 50;
    private const int Ticks = 5;

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    // Told apart by most colour-blind people, too (Okabe and Ito 2008).
    private static readonly string[] Colors =
        ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"];

    /// <summary>Lines and scattered points over two axes.</summary>
    /// <param name="series">At least one point in all.</param>
    public static string Chart(string title, string xLabel, string yLabel, IReadOnlyList<PlotSeries> series)
    {
        var points = series.SelectMany(line => line.Points).ToList();
        if (points.Count == 0)
            throw new ArgumentException("There is nothing to plot; at least one point is needed.");
        var x = Axis.Of(points.Select(point => point.X), Left, Width - Right);
        var y = Axis.Of(points.Select(point => point.Y), Height - Bottom, Top);
        var root = Root(Width, Height, title);
        for (var tick = 0; tick <= Ticks; tick++)
        {
            var (atX, atY) = (x.Tick(tick), y.Tick(tick));
            root.Add(
                Line(x.Place(atX), Top, x.Place(atX), Height - Bottom, "#ddd"),
                Line(Left, y.Place(atY), Width - Right, y.Place(atY), "#ddd"));
            root.Add(
                Text(x.Place(atX), Height - Bottom + 16, Short(atX), "middle"),
                Text(Left - 6, y.Place(atY) + 4, Short(atY), "end"));
        }

        root.Add(Text((Left + Width - Right) / 2, Height - 12, xLabel, "middle"));
        var upright = Text(0, 0, yLabel, "middle");
        upright.SetAttributeValue("transform", $"translate(16 {Number((Top + Height - Bottom) / 2)}) rotate(-90)");
        root.Add(upright);
        for (var i = 0; i < series.Count; i++)
        {
            var color = Colors[i % Colors.Length];
            if (series[i].IsLine)
            {
                root.Add(new XElement(
                    Svg + "polyline",
                    new XAttribute("points", string.Join(' ', series[i].Points.Select(
                        point => $"{Number(x.Place(point.X))},{Number(y.Place(point.Y))}"))),
                    new XAttribute("fill", "none"),
                    new XAttribute("stroke", color),
                    new XAttribute("stroke-width", "2")));
            }

            foreach (var point in series[i].Points)
                root.Add(Dot(x.Place(point.X), y.Place(point.Y), color));
            root.Add(Dot(Width - Right + 14, Top + (18 * i), color), Text(
                Width - Right + 24, Top + (18 * i) + 4, series[i].Name, "start"));
        }

        return root + "\n";
    }

    /// <summary>A table whose cells are darker the larger their number is.</summary>
    /// <param name="values">[rows][columns]</param>
    /// <param name="format">Of the numbers.</param>
    public static string Heatmap(
        string title, IReadOnlyList<string> rows, IReadOnlyList<string> columns,
        IReadOnlyList<IReadOnlyList<double>> values, string format)
    {
        const double cellWidth = 84;
        const double cellHeight = 22;
        const double rowNames = 230;
        var largest = values.Max(row => row.Max());
        var root = Root(rowNames + (cellWidth * columns.Count) + 10, Top + (cellHeight * (rows.Count + 1)) + 10, title);
        for (var column = 0; column < columns.Count; column++)
            root.Add(Text(rowNames + (cellWidth * (column + 0.5)), Top + 14, columns[column], "middle"));
        for (var row = 0; row < rows.Count; row++)
        {
            var y = Top + (cellHeight * (row + 1));
            root.Add(Text(rowNames - 6, y + 15, rows[row], "end"));
            for (var column = 0; column < columns.Count; column++)
            {
                var value = values[row][column];
                var part = largest > 0 ? Math.Max(0, value / largest) : 0;
                root.Add(new XElement(
                    Svg + "rect",
                    new XAttribute("x", Number(rowNames + (cellWidth * column))),
                    new XAttribute("y", Number(y)),
                    new XAttribute("width", Number(cellWidth)),
                    new XAttribute("height", Number(cellHeight)),
                    new XAttribute("fill", Colors[0]),
                    new XAttribute("fill-opacity", Number(0.6 * part))));
                root.Add(Text(
                    rowNames + (cellWidth * (column + 0.5)), y + 15,
                    value.ToString(format, CultureInfo.InvariantCulture), "middle"));
            }
        }

        return root + "\n";
    }

    private static XElement Root(double width, double height, string title) => new(
        Svg + "svg",
        new XAttribute("viewBox", $"0 0 {Number(width)} {Number(height)}"),
        new XAttribute("width", Number(width)),
        new XAttribute("height", Number(height)),
        new XAttribute("font-family", "sans-serif"),
        new XAttribute("font-size", "12"),
        new XElement(
            Svg + "rect", new XAttribute("width", "100%"), new XAttribute("height", "100%"),
            new XAttribute("fill", "white")),
        Text(width / 2, 20, title, "middle"));

    private static XElement Text(double x, double y, string text, string anchor) => new(
        Svg + "text", new XAttribute("x", Number(x)), new XAttribute("y", Number(y)),
        new XAttribute("text-anchor", anchor), Printable(text));

    private static XElement Line(double x1, double y1, double x2, double y2, string color) => new(
        Svg + "line",
        new XAttribute("x1", Number(x1)),
        new XAttribute("y1", Number(y1)),
        new XAttribute("x2", Number(x2)),
        new XAttribute("y2", Number(y2)),
        new XAttribute("stroke", color));

    private static XElement Dot(double x, double y, string color) => new(
        Svg + "circle", new XAttribute("cx", Number(x)), new XAttribute("cy", Number(y)), new XAttribute("r", "3"),
        new XAttribute("fill", color));

    /// <summary>XML can't hold every character; a label may.</summary>
    private static string Printable(string text) =>
        string.Concat(text.Select(c => char.IsControl(c) || !XmlConvert.IsXmlChar(c) ? '?' : c));

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Short(double value) => value.ToString("G3", CultureInfo.InvariantCulture);

    /// <summary>From values to places on the page.</summary>
    private sealed record Axis(double Least, double Most, double From, double To)
    {
        public static Axis Of(IEnumerable<double> values, double from, double to)
        {
            var finite = values.Where(double.IsFinite).DefaultIfEmpty(0).ToList();
            var (least, most) = (finite.Min(), finite.Max());
            return least == most ? new(least - 0.5, most + 0.5, from, to) : new(least, most, from, to);
        }

        public double Tick(int number) => Least + ((Most - Least) * number / Ticks);

        public double Place(double value) => From + ((value - Least) / (Most - Least) * (To - From));
    }
}
