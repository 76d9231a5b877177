using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Serving.Training.Analysis;

/// <summary>Points of a chart.</summary>
/// <param name="Name">For the legend.</param>
/// <param name="IsLine">Whether a line goes through them, in their order.</param>
public sealed record PlotSeries(string Name, IReadOnlyList<(double X, double Y)> Points, bool IsLine = true);

/// <summary>Plots as SVG, which every browser shows. Margins have room for the texts.</summary>
public static class SvgPlot
{
    private const double FontSize = 12;
    private const double LineHeight = 18;
    private const double Gap = 8; // Between things, and around the picture.
    private const double PlotWidth = 420;
    private const double PlotHeight = 330;
    private const double DotRadius = 3;
    private const int MostSteps = 5;

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    // Told apart by most colour-blind people, too (Okabe and Ito 2008).
    private static readonly string[] Colors =
        ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"];

    /// <summary>Lines and scattered points over two axes; points that are not finite are left out.</summary>
    /// <param name="series">At least one point in all.</param>
    public static string Chart(string title, string xLabel, string yLabel, IReadOnlyList<PlotSeries> series)
    {
        var points = series.SelectMany(line => line.Points).ToList();
        if (points.Count == 0)
            throw new ArgumentException("There is nothing to plot; at least one point is needed.");

        // Margins have room for the labels; the plot grows where the title or the legend needs more.
        var x = HorizontalAxis([.. points.Select(point => point.X)]);
        var y = new PlotAxis(points.Select(point => point.Y), MostSteps);
        var marker = (2 * DotRadius) + Gap;
        var left = Math.Max((2 * Gap) + LineHeight + y.Labels.Max(Width), Gap + (Width(x.Labels[0]) / 2));
        var legend = Gap + marker + series.Max(line => Width(line.Name)) + Gap;
        var right = Math.Max(legend, (Width(x.Labels[^1]) / 2) + Gap);
        var top = LineHeight + (2 * Gap);
        var bottom = (2 * LineHeight) + Gap;
        var width = Math.Max(left + PlotWidth + right, Math.Max(Width(title), Width(xLabel)) + (2 * Gap));
        var height = top + Math.Max(PlotHeight, Math.Max(Width(yLabel), LineHeight * series.Count)) + bottom;
        double AtX(double value) => left + (x.Part(value) * (width - right - left));
        double AtY(double value) => height - bottom - (y.Part(value) * (height - bottom - top));

        var root = Root(width, height, title);
        foreach (var (tick, label) in x.Ticks.Zip(x.Labels))
        {
            root.Add(Line(AtX(tick), top, AtX(tick), height - bottom, "#ddd"));
            root.Add(Text(AtX(tick), height - bottom + LineHeight, label, "middle"));
        }

        foreach (var (tick, label) in y.Ticks.Zip(y.Labels))
        {
            root.Add(Line(left, AtY(tick), width - right, AtY(tick), "#ddd"));
            root.Add(Text(left - Gap, AtY(tick) + (FontSize / 3), label, "end"));
        }

        var half = Gap + (Width(xLabel) / 2);
        var middle = Math.Clamp((left + width - right) / 2, half, width - half);
        root.Add(Text(middle, height - Gap, xLabel, "middle"));
        var upright = Text(0, 0, yLabel, "middle");
        var center = Number((top + height - bottom) / 2);
        upright.SetAttributeValue("transform", $"translate({Number(Gap + FontSize)} {center}) rotate(-90)");
        root.Add(upright);
        for (var i = 0; i < series.Count; i++)
        {
            var color = Colors[i % Colors.Length];
            if (series[i].IsLine)
                root.Add(Lines(series[i].Points, point => $"{Number(AtX(point.X))},{Number(AtY(point.Y))}", color));
            root.Add(series[i].Points.Where(IsFinite).Select(point => Dot(AtX(point.X), AtY(point.Y), color)));
            var line = top + (LineHeight * (i + 0.5));
            root.Add(Dot(width - right + Gap + DotRadius, line, color));
            root.Add(Text(width - right + Gap + marker, line + (FontSize / 3), series[i].Name, "start"));
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
        const double cellHeight = LineHeight + 4;
        const double baseline = 15;
        string Shown(double value) => value.ToString(format, CultureInfo.InvariantCulture);
        var cellWidth = Gap + columns.Concat(values.SelectMany(row => row.Select(Shown))).Max(Width);
        var left = (2 * Gap) + rows.Max(Width);
        var top = LineHeight + (2 * Gap);
        var width = Math.Max(left + (cellWidth * columns.Count) + Gap, Width(title) + (2 * Gap));
        var root = Root(width, top + (cellHeight * (rows.Count + 1)) + Gap, title);
        var largest = values.SelectMany(row => row).Where(double.IsFinite).DefaultIfEmpty(0).Max();
        double Middle(int column) => left + (cellWidth * (column + 0.5));
        for (var column = 0; column < columns.Count; column++)
            root.Add(Text(Middle(column), top + baseline, columns[column], "middle"));
        for (var row = 0; row < rows.Count; row++)
        {
            var y = top + (cellHeight * (row + 1));
            root.Add(Text(left - Gap, y + baseline, rows[row], "end"));
            for (var column = 0; column < columns.Count; column++)
            {
                var value = values[row][column];
                var part = largest > 0 && double.IsFinite(value) ? Math.Max(0, value / largest) : 0;
                root.Add(new XElement(
                    Svg + "rect",
                    new XAttribute("x", Number(left + (cellWidth * column))),
                    new XAttribute("y", Number(y)),
                    new XAttribute("width", Number(cellWidth)),
                    new XAttribute("height", Number(cellHeight)),
                    new XAttribute("fill", Colors[0]),
                    new XAttribute("fill-opacity", Number(0.6 * part))));
                root.Add(Text(Middle(column), y + baseline, Shown(value), "middle"));
            }
        }

        return root + "\n";
    }

    /// <summary>With as many ticks as their labels leave room for.</summary>
    private static PlotAxis HorizontalAxis(List<double> values)
    {
        for (var steps = MostSteps; ; steps--)
        {
            var axis = new PlotAxis(values, steps);
            if (steps == 1 || axis.Labels.Max(Width) + Gap <= PlotWidth / (axis.Ticks.Count - 1))
                return axis;
        }
    }

    private static bool IsFinite((double X, double Y) point) => double.IsFinite(point.X) && double.IsFinite(point.Y);

    /// <summary>A line through points, which breaks off at those that are not finite.</summary>
    private static IEnumerable<XElement> Lines(
        IReadOnlyList<(double X, double Y)> points, Func<(double X, double Y), string> place, string color)
    {
        for (var from = 0; from < points.Count; from++)
        {
            var run = points.Skip(from).TakeWhile(IsFinite).Select(place).ToList();
            from += run.Count;
            if (run.Count > 1)
            {
                yield return new XElement(
                    Svg + "polyline",
                    new XAttribute("points", string.Join(' ', run)),
                    new XAttribute("fill", "none"),
                    new XAttribute("stroke", color),
                    new XAttribute("stroke-width", "2"));
            }
        }
    }

    private static XElement Root(double width, double height, string title) => new(
        Svg + "svg",
        new XAttribute("viewBox", $"0 0 {Number(width)} {Number(height)}"),
        new XAttribute("width", Number(width)),
        new XAttribute("height", Number(height)),
        new XAttribute("font-family", "sans-serif"),
        new XAttribute("font-size", Number(FontSize)),
        new XElement(
            Svg + "rect", new XAttribute("width", "100%"), new XAttribute("height", "100%"),
            new XAttribute("fill", "white")),
        Text(width / 2, Gap + FontSize, title, "middle"));

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
        Svg + "circle", new XAttribute("cx", Number(x)), new XAttribute("cy", Number(y)),
        new XAttribute("r", Number(DotRadius)), new XAttribute("fill", color));

    /// <summary>XML can't hold every character; a label may.</summary>
    private static string Printable(string text) =>
        string.Concat(text.Select(c => char.IsControl(c) || !XmlConvert.IsXmlChar(c) ? '?' : c));

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static double Width(string text) => FontSize * TextWidth.Of(text);
}
