namespace Serving.Storage;

/// <summary>What layers below the services throw: what was found, what was needed, and the remedy.</summary>
/// <remarks>Clauses begin in lower case where a sentence may go on with them, and end without a full stop.</remarks>
public sealed class DomainException : Exception
{
    private const int MostNearest = 3;

    private DomainException(
        ErrorKind kind, string sentence, string? field = null, Exception? innerException = null)
        : base(field is null ? sentence : $"{field}: {sentence}", innerException)
    {
        Kind = kind;
        Sentence = sentence;
        Field = field;
    }

    public ErrorKind Kind { get; }

    /// <summary>The message without the field.</summary>
    public string Sentence { get; }

    /// <summary>The path of what is wrong in the request: "inputs[3].text"; null for other errors.</summary>
    public string? Field { get; }

    /// <summary>What kind of thing it is about: "task", "model" and the like; empty if the subject says so.</summary>
    public string Resource { get; private init; } = "";

    /// <summary>What it is about: the name of a resource, or "tasks/sentiment"; empty if it is the request.</summary>
    public string Subject { get; private init; } = "";

    public string Found { get; private init; } = "";

    public string? Needed { get; private init; }

    public string? Remedy { get; private init; }

    /// <summary>Names that are there, the nearest first; some of them.</summary>
    public IReadOnlyList<string> Known { get; private init; } = [];

    /// <summary>When to try again; for <see cref="ErrorKind.Exhausted"/>.</summary>
    public TimeSpan RetryAfter { get; private init; }

    public static DomainException Invalid(
        string field, string found, string? needed = null, string? remedy = null) =>
        new(ErrorKind.Invalid, Sentences(found, needed, remedy), field)
        {
            Found = found,
            Needed = needed,
            Remedy = remedy
        };

    /// <param name="resource">"task", "model" and the like.</param>
    /// <param name="known">What is there; null if that is elsewhere, and nobody can list it.</param>
    /// <param name="remedy">How it comes to be there, as a sentence.</param>
    /// <param name="owner">What it would be of: "task 'sentiment'"; null for nothing.</param>
    public static DomainException NotFound(
        string resource, string name, IEnumerable<string>? known, string? remedy = null, string? owner = null)
    {
        var nearest = NearestNames.To(name, known ?? []).Take(MostNearest).ToList();
        var of = owner is null ? "" : $" of the {owner}";
        var found = $"There is no {resource} '{name}'{of}";
        var hint = string.Join(". ", ((string?[])[Nearest(), remedy]).OfType<string>());
        return new(ErrorKind.NotFound, $"{found}. {hint}.")
        {
            Resource = resource,
            Subject = name,
            Found = found,
            Remedy = hint,
            Known = nearest
        };

        string? Nearest() => nearest.Count > 0
            ? $"The nearest are {string.Join(", ", nearest.Select(n => $"'{n}'"))}"
            : known is null ? null : $"There is no {resource}{of} yet";
    }

    /// <param name="subject">What is in the wrong state: "tasks/sentiment".</param>
    public static DomainException FailedPrecondition(
        string subject, string found, string? needed = null, string? remedy = null,
        Exception? innerException = null) =>
        new(ErrorKind.FailedPrecondition, Sentences(found, needed, remedy), innerException: innerException)
        {
            Subject = subject,
            Found = found,
            Needed = needed,
            Remedy = remedy
        };

    /// <param name="resource">"dataset", "model" and the like.</param>
    public static DomainException AlreadyExists(string resource, string name, string found, string remedy) =>
        new(ErrorKind.AlreadyExists, Sentences(found, needed: null, remedy))
        {
            Resource = resource,
            Subject = name,
            Found = found,
            Remedy = remedy
        };

    /// <param name="subject">What was changed meanwhile.</param>
    public static DomainException Conflict(string subject, string found, string needed, string? remedy = null) =>
        new(ErrorKind.Conflict, Sentences(found, needed, remedy))
        {
            Subject = subject,
            Found = found,
            Needed = needed,
            Remedy = remedy
        };

    public static DomainException TooLarge(string found, string needed, string? remedy = null) =>
        new(ErrorKind.TooLarge, Sentences(found, needed, remedy))
        {
            Found = found,
            Needed = needed,
            Remedy = remedy
        };

    public static DomainException Exhausted(string found, string remedy, TimeSpan retryAfter) =>
        new(ErrorKind.Exhausted, Sentences(found, needed: null, remedy))
        {
            Found = found,
            Remedy = remedy,
            RetryAfter = retryAfter
        };

    public static DomainException Unavailable(string found, string remedy) =>
        new(ErrorKind.Unavailable, Sentences(found, needed: null, remedy)) { Found = found, Remedy = remedy };

    /// <param name="subject">The file.</param>
    public static DomainException Corrupted(
        string subject, string found, string? needed = null, string? remedy = null,
        Exception? innerException = null) =>
        new(ErrorKind.Corrupted, Sentences(found, needed, remedy), innerException: innerException)
        {
            Subject = subject,
            Found = found,
            Needed = needed,
            Remedy = remedy
        };

    /// <summary>"Found; needed. Remedy.", or "Found; remedy." if nothing can be said to be needed.</summary>
    private static string Sentences(string found, string? needed, string? remedy) => (needed, remedy) switch
    {
        (null, null) => found.EndsWith('.') ? found : $"{found}.",
        (null, _) => $"{found}; {remedy}.",
        (_, null) => $"{found}; {needed}.",
        _ => $"{found}; {needed}. {char.ToUpperInvariant(remedy[0])}{remedy[1..]}."
    };
}
