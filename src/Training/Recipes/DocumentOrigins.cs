using Serving.Training.Loop;

namespace Serving.Training.Recipes;

/// <summary>
/// Where documents of a corpus stand in the files of their datasets; looked up only when somebody asks.
/// </summary>
/// <param name="documents">Those of the corpus, in its order: the dataset, the line of its rows, and the text.</param>
/// <param name="count">How many the corpus has: it leaves out those without a token.</param>
internal sealed class DocumentOrigins(
    IEnumerable<(string Dataset, long Line, string Text)> documents, Func<string, bool> hasTokens, int count)
{
    private List<(string Dataset, long Line)>? _places;

    /// <summary>"lines 3, 17 of rows.jsonl of the dataset 'films'", for each dataset.</summary>
    /// <param name="numbers">Of documents, from 0.</param>
    public string Describe(IEnumerable<int> numbers)
    {
        _places ??= [.. documents.Where(each => hasTokens(each.Text)).Select(each => (each.Dataset, each.Line))];
        return _places.Count == count
            ? string.Join("; ", numbers.Distinct().Select(number => _places[number])
                .GroupBy(place => place.Dataset, place => place.Line, StringComparer.Ordinal)
                .Select(group => $"lines {ItemNumbers.List(group)} of {Data.DatasetFolder.RowsFile} of the dataset "
                    + $"'{group.Key}'"))
            : $"documents {ItemNumbers.List(numbers.Select(number => number + 1L))} of the corpus";
    }
}
