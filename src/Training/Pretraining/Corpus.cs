using Serving.Storage;
using Serving.Text.Bert;

namespace Serving.Training.Pretraining;

/// <summary>A tokenized corpus in a file that is mapped into memory: documents of sentences of tokens.</summary>
/// <remarks>
/// The file: a signature, counts, tokens (32 bits each; the highest bit marks a capitalized word), ends of sentences
/// (64 bits), ends of documents (counted in sentences, 64 bits), and in how many documents each token occurs.
/// </remarks>
public sealed class Corpus : IDisposable
{
    private const ulong Signature = 0x3173_7570_726F_4353; // "SCorpus1"
    private const uint CapitalBit = 1u << 31;
    private const int HeaderBytes = 5 * sizeof(long);

    private readonly MappedFile _file;
    private readonly long[] _sentenceEnds;
    private readonly long[] _documentEnds;
    private readonly long[] _frequencies;

    private Corpus(MappedFile file, string path)
    {
        _file = file;
        if (file.Length < HeaderBytes)
            throw Damaged(path);
        Span<long> header = stackalloc long[5];
        file.Read(0, header);
        Tokens = header[1];
        var lengths = (Sentences: header[2], Documents: header[3], Vocabulary: header[4]);
        if (header[0] != unchecked((long)Signature)
            || file.Length != HeaderBytes + Padded(Tokens)
                + (sizeof(long) * (lengths.Sentences + lengths.Documents + lengths.Vocabulary)))
            throw Damaged(path);
        _sentenceEnds = Read(HeaderBytes + Padded(Tokens), lengths.Sentences);
        _documentEnds = Read(HeaderBytes + Padded(Tokens) + (sizeof(long) * lengths.Sentences), lengths.Documents);
        _frequencies = Read(
            HeaderBytes + Padded(Tokens) + (sizeof(long) * (lengths.Sentences + lengths.Documents)),
            lengths.Vocabulary);
    }

    public int Documents => _documentEnds.Length;

    public long Sentences => _sentenceEnds.Length;

    public long Tokens { get; }

    /// <summary>Tokenizes documents into a file; an existing one is replaced at the end.</summary>
    public static void Write(string path, IEnumerable<string> documents, BertTokenizer tokenizer)
    {
        var sentenceEnds = new List<long>();
        var documentEnds = new List<long>();
        var frequencies = new long[tokenizer.Vocabulary.Count];
        var seen = new HashSet<int>();
        var count = 0L;
        DiskFileSystem.Instance.Replace(path, file =>
        {
            file.Position = HeaderBytes;
            using var writer = new BinaryWriter(file, System.Text.Encoding.UTF8, leaveOpen: true);
            foreach (var document in documents)
            {
                seen.Clear();
                using var ends = SentenceSplitter.Ends(document).GetEnumerator();
                var end = ends.MoveNext() ? ends.Current : 0;
                var inSentence = 0;
                foreach (var token in tokenizer.Tokenize(document))
                {
                    while (token.Span.Start >= end && ends.MoveNext())
                    {
                        end = ends.Current;
                        if (inSentence > 0)
                            sentenceEnds.Add(count);
                        inSentence = 0;
                    }

                    var isCapital = token.Span.End > token.Span.Start && char.IsUpper(document[token.Span.Start]);
                    writer.Write((uint)token.Id | (isCapital ? CapitalBit : 0));
                    count++;
                    inSentence++;
                    if (seen.Add(token.Id))
                        frequencies[token.Id]++;
                }

                if (inSentence > 0)
                    sentenceEnds.Add(count);
                if (seen.Count > 0)
                    documentEnds.Add(sentenceEnds.Count);
            }

            if (count % 2 == 1)
                writer.Write(0u);
            foreach (var value in (IEnumerable<long>)[.. sentenceEnds, .. documentEnds, .. frequencies])
                writer.Write(value);
            writer.Flush();
            file.Position = 0;
            long[] header =
                [unchecked((long)Signature), count, sentenceEnds.Count, documentEnds.Count, frequencies.Length];
            foreach (var value in header)
                writer.Write(value);
            writer.Flush();
        });
    }

    /// <exception cref="IOException">There is no such file, or it is damaged.</exception>
    public static Corpus Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new(file, path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>A document, read from the file.</summary>
    public Document Read(int document)
    {
        var (firstSentence, endSentence) = (document == 0 ? 0 : _documentEnds[document - 1], _documentEnds[document]);
        var first = firstSentence == 0 ? 0 : _sentenceEnds[firstSentence - 1];
        var words = new uint[_sentenceEnds[endSentence - 1] - first];
        _file.Read(HeaderBytes + (first * sizeof(uint)), words.AsSpan());
        var ends = _sentenceEnds.AsSpan((int)firstSentence, (int)(endSentence - firstSentence)).ToArray();
        return new(
            [.. words.Select(word => (int)(word & ~CapitalBit))],
            [.. words.Select(word => (word & CapitalBit) != 0)],
            [.. ends.Select(end => (int)(end - first))]);
    }

    /// <summary>Tokens of a document.</summary>
    public int Length(int document) => (int)(End(document) - (document == 0 ? 0 : End(document - 1)));

    /// <summary>ln(documents / documents with the token) (Spärck Jones 1972); 0 for a token in none.</summary>
    public double InverseDocumentFrequency(int token) =>
        _frequencies[token] == 0 ? 0 : Math.Log((double)Documents / _frequencies[token]);

    public void Dispose() => _file.Dispose();

    private static IOException Damaged(string path) =>
        new($"{path} is no tokenized corpus; delete it to make it again.");

    private static long Padded(long tokens) => (tokens + (tokens % 2)) * sizeof(uint);

    private long End(int document) => _sentenceEnds[_documentEnds[document] - 1];

    private long[] Read(long offset, long count)
    {
        var values = new long[count];
        _file.Read(offset, values.AsSpan());
        return values;
    }
}

/// <summary>A document's tokens.</summary>
/// <param name="Tokens">Their ids.</param>
/// <param name="Capitals">Whether each one's part of the text begins with a capital letter.</param>
/// <param name="SentenceEnds">Behind the last token of each sentence, ascending.</param>
public sealed record Document(int[] Tokens, bool[] Capitals, int[] SentenceEnds);
