namespace Serving.Inference.Generation;

/// <summary>Ends a text, which comes in parts, before the first of some strings; no part of it is passed.</summary>
/// <remarks>
/// What may be the beginning of a stop string is held back until it is known. The text ends at the stop string that is
/// complete first; of several, the longest.
/// </remarks>
/// <param name="stops">None is empty.</param>
public sealed class StopFilter(IReadOnlyList<string> stops)
{
    private readonly StopString[] _stops = [.. stops.Select(stop => new StopString(stop))];
    private string _held = "";

    /// <summary>Whether a stop string has come; nothing behind it does.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>The next part of the text.</summary>
    /// <returns>What can be let through.</returns>
    public string Append(string text)
    {
        if (IsStopped)
            return "";
        var all = _held + text;
        for (var i = 0; i < text.Length; i++)
        {
            var complete = 0;
            foreach (var stop in _stops)
                complete = Math.Max(complete, stop.Advance(text[i]));
            if (complete == 0)
                continue;
            IsStopped = true;
            _held = "";
            return all[..(all.Length - text.Length + i + 1 - complete)];
        }

        var held = 0;
        foreach (var stop in _stops)
            held = Math.Max(held, stop.Matched);
        _held = all[^held..];
        return all[..^held];
    }

    /// <summary>What was held back, at the end of the text.</summary>
    public string Finish()
    {
        var rest = _held;
        _held = "";
        return rest;
    }

    /// <summary>How much of one string the text ends with (Knuth, Morris and Pratt 1977).</summary>
    private sealed class StopString
    {
        private readonly string _text;

        /// <summary>For each beginning of the string, how much of it its end repeats.</summary>
        private readonly int[] _borders;

        public StopString(string text)
        {
            ArgumentException.ThrowIfNullOrEmpty(text);
            _text = text;
            _borders = new int[text.Length];
            for (var i = 1; i < text.Length; i++)
                _borders[i] = Longer(_borders[i - 1], text[i]);
        }

        /// <summary>Characters of its beginning that the text ends with.</summary>
        public int Matched { get; private set; }

        /// <returns>Its length if it is complete, or 0.</returns>
        public int Advance(char next)
        {
            Matched = Longer(Matched, next);
            return Matched == _text.Length ? Matched : 0;
        }

        private int Longer(int matched, char next)
        {
            while (matched > 0 && _text[matched] != next)
                matched = _borders[matched - 1];
            return _text[matched] == next ? matched + 1 : 0;
        }
    }
}
