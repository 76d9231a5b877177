namespace Serving.Server.Services;

/// <summary>Lengths and angles of vectors, summed in double.</summary>
internal static class Vectors
{
    /// <returns>The vector divided by its length; zeros stay.</returns>
    public static float[] Normalized(float[] vector)
    {
        var length = Math.Sqrt(Dot(vector, vector));
        return length == 0 ? vector : [.. vector.Select(value => (float)(value / length))];
    }

    /// <returns>-1 to 1; 0 if one of the two is all zeros.</returns>
    public static float Cosine(float[] a, float[] b)
    {
        var lengths = Math.Sqrt(Dot(a, a)) * Math.Sqrt(Dot(b, b));
        return lengths == 0 ? 0 : (float)Math.Clamp(Dot(a, b) / lengths, -1, 1);
    }

    private static double Dot(float[] a, float[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += (double)a[i] * b[i];
        return sum;
    }
}
