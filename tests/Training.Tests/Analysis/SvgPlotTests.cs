using System.Globalization;
using System.Xml.Linq;
using Serving.Training.Analysis;

namespace Serving.Training.Tests.Analysis;

public sealed class SvgPlotTests
{
    private const double Em = 12; // The plots' font size.

    [Theory]
    [InlineData("0 0.97", 5, "0.0 0.2 0.4 0.6 0.8 1.0")]
    [InlineData("0 4", 5, "0 1 2 3 4")]
    [InlineData("0 23", 5, "0 5 10 15 20 25")]
    [InlineData("0.62 0.71", 5, "0.62 0.64 0.66 0.68 0.70 0.72")]
    [InlineData("-3 1.5", 5, "-3 -2 -1 0 1 2")]
    [InlineData("-0.07 -0.02", 5, "-0.07 -0.06 -0.05 -0.04 -0.03 -0.02")]
    [InlineData("0 0.0000003", 3, "0 1e-7 2e-7 3e-7")]
    [InlineData("0 30000000", 3, "0 1e7 2e7 3e7")]
    [InlineData("1000000 1000003", 3, "1e6 1.000001e6 1.000002e6 1.000003e6")]
    [InlineData("5", 5, "2 3 4 5 6 7 8")] // By half of it to both sides: 2.5 to 7.5.
    [InlineData("0", 5, "-0.6 -0.4 -0.2 0.0 0.2 0.4 0.6")]
    [InlineData("-8 -8 -8", 2, "-15 -10 -5 0")] // -12 to -4.
    [InlineData("1 1.0000000000000002", 2, "0.5 1.0 1.5")] // Neighbors among doubles.
    [InlineData("NaN 0 Infinity 1 -Infinity", 2, "0.0 0.5 1.0")]
    [InlineData("NaN", 2, "-0.5 0.0 0.5")]
    public void Ticks_AreRoundAndEncloseTheValues(string values, int steps, string labels)
    {
        double[] numbers = [.. values.Split(' ').Select(value => double.Parse(value, CultureInfo.InvariantCulture))];
        var axis = new PlotAxis(numbers, steps);
        Assert.Equal(labels, string.Join(' ', axis.Labels));
        Assert.Equal((0, 1), (axis.Part(axis.Ticks[0]), axis.Part(axis.Ticks[^1])));
        Assert.All(numbers.Where(double.IsFinite), value => Assert.InRange(axis.Part(value), 0, 1));
    }

    [Fact]
    public void Ticks_OfAnyRange_AreFewAndDistinct()
    {
        var random = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            double Any() => (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-320, 308));
            var (a, b) = (Any(), random.Next(2) == 0 ? Any() : 0);
            var axis = new PlotAxis([a, b], mostSteps: 5);
            Assert.InRange(axis.Ticks.Count, 2, 8);
            Assert.Equal(axis.Labels, axis.Labels.Distinct());
            Assert.InRange(axis.Part(a), -1e-6, 1 + 1e-6);
        }
    }

    [Theory]
    [InlineData("short", "x", "y", 1)]
    [InlineData("short", "x", "y", 0.0000012345)]
    [InlineData("long title", "x", "y", -123456.789)]
    [InlineData("t", "long axis", "long upright axis", 1e12)]
    public void Chart_Texts_AreInsideAndApart(string title, string xLabel, string yLabel, double scale)
    {
        string Long(string text) => text.Replace("long", string.Join(' ', Enumerable.Repeat("a Wide name", 12)));
        List<PlotSeries> series =
        [
            new(Long("a long series"), [(0, 0), (scale, 0.97 * scale)]),
            new("points", [(scale, scale / 3), (double.NaN, 1), (1, double.PositiveInfinity)], IsLine: false),
            .. Enumerable.Range(0, 20).Select(i => new PlotSeries($"more {i}", [(0, scale)]))
        ];
        AssertInsideAndApart(SvgPlot.Chart(Long(title), Long(xLabel), Long(yLabel), series));
    }

    [Fact]
    public void Heatmap_Texts_AreInsideAndApart() => AssertInsideAndApart(SvgPlot.Heatmap(
        "Dissimilarity",
        ["0.attention.self.query", "a row whose name is a good deal longer than the names of rows are"],
        ["a / b", "sentiment-of-films / sentiment-of-books"],
        [[0.25, 123456.789], [double.NaN, double.PositiveInfinity]],
        "F3"));

    [Fact]
    public void Chart_WithAGap_BreaksTheLineOff()
    {
        var line = new PlotSeries("a", [(0, 0), (1, 1), (2, double.NaN), (3, 1), (4, 2)]);
        var svg = XElement.Parse(SvgPlot.Chart("t", "x", "y", [line]));
        Assert.Equal(2, svg.Elements().Count(element => element.Name.LocalName == "polyline"));
        Assert.Equal(4 + 1, svg.Elements().Count(element => element.Name.LocalName == "circle")); // And the legend's.
        Assert.DoesNotContain("NaN", svg.ToString(), StringComparison.Ordinal);
    }

    /// <summary>Boxes by the estimated width, from 0.8 em above the line to 0.2 em below.</summary>
    private static void AssertInsideAndApart(string chart)
    {
        var svg = XElement.Parse(chart);
        double[] view = [.. svg.Attribute("viewBox")!.Value.Split(' ').Select(Number)];
        List<(string Text, double Left, double Top, double Right, double Bottom)> boxes = [];
        foreach (var text in svg.Elements().Where(element => element.Name.LocalName == "text"))
        {
            var (x, y) = (Number(text.Attribute("x")!.Value), Number(text.Attribute("y")!.Value));
            var width = Em * TextWidth.Of(text.Value);
            var anchor = text.Attribute("text-anchor")!.Value;
            var left = anchor == "start" ? 0 : anchor == "middle" ? -width / 2 : -width;
            var box = (text.Value, x + left, y - (0.8 * Em), x + left + width, y + (0.2 * Em));
            if (text.Attribute("transform")?.Value is { } transform)
            {
                // translate(a b) rotate(-90): x goes up, y goes right.
                double[] to = [.. transform["translate(".Length..transform.IndexOf(')')].Split(' ').Select(Number)];
                box = (text.Value, to[0] - (0.8 * Em), to[1] - left - width, to[0] + (0.2 * Em), to[1] - left);
            }

            boxes.Add(box);
        }

        Assert.All(boxes, box => Assert.True(
            box.Left >= 0 && box.Top >= 0 && box.Right <= view[2] && box.Bottom <= view[3],
            $"{box} is not in {view[2]}, {view[3]}"));
        foreach (var (i, a) in boxes.Index())
        {
            Assert.All(boxes.Skip(i + 1), b => Assert.True(
                a.Right <= b.Left || b.Right <= a.Left || a.Bottom <= b.Top || b.Bottom <= a.Top, $"{a} overlaps {b}"));
        }
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
