using System.Text;
using Serving.Storage;
using Serving.Text.Bpe;

namespace Serving.Training.LanguageModels;

/// <summary>Tokenized documents, one behind another, in a file that is mapped into memory.</summary>
/// <remarks>
/// The end of text stands before the first document and behind each, so that it is also what a text begins from. The
/// file: a signature, counts, tokens (32 bits each), and the ends of documents (64 bits).
/// </remarks>
public sealed class TokenStream : IDisposable
{
    private const ulong Signature = 0x3173_6E65_6B6F_5453; // "STokens1"
    private const int HeaderBytes = 4 * sizeof(long);

    private readonly MappedFile _file;
    private readonly long[] _ends;

    private TokenStream(MappedFile file, string path)
    {
        _file = file;
        if (file.Length < HeaderBytes)
            throw Damaged(path);
        Span<long> header = stackalloc long[4];
        file.Read(0, header);
        (Tokens, Characters) = (header[1], header[2]);
        var firstEnd = HeaderBytes + Padded(Tokens);
        if (header[0] != unchecked((long)Signature) || file.Length != firstEnd + (sizeof(long) * header[3]))
            throw Damaged(path);
        _ends = new long[header[3]];
        file.Read(firstEnd, _ends.AsSpan());
    }

    /// <summary>With all ends of text.</summary>
    public long Tokens { get; }

    /// <summary>Unicode characters of all documents, with one more for the end of each.</summary>
    public long Characters { get; }

    public int Documents => _ends.Length;

    /// <summary>Tokenizes documents into a file; an existing one is replaced at the end.</summary>
    public static void Write(string path, IEnumerable<string> documents, BpeTokenizer tokenizer, int endToken) =>
        DiskFileSystem.Instance.Replace(path, file =>
        {
            file.Position = HeaderBytes;
            using var writer = new BinaryWriter(file, Encoding.UTF8, leaveOpen: true);
            writer.Write(endToken);
            var (tokens, characters) = (1L, 0L);
            var ends = new List<long>();
            foreach (var document in documents)
            {
                foreach (var id in tokenizer.Encode(document))
                {
                    writer.Write(id);
                    tokens++;
                }

                writer.Write(endToken);
                ends.Add(++tokens);
                characters += document.EnumerateRunes().Count() + 1;
            }

            if (tokens % 2 == 1)
                writer.Write(0);
            foreach (var end in ends)
                writer.Write(end);
            writer.Flush();
            file.Position = 0;
            foreach (var value in (long[])[unchecked((long)Signature), tokens, characters, ends.Count])
                writer.Write(value);
            writer.Flush();
        });

    /// <exception cref="IOException">There is no such file, or it is damaged.</exception>
    public static TokenStream Open(string path)
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

    /// <summary>Some tokens, read from the file.</summary>
    public int[] Read(long first, int count)
    {
        var tokens = new int[count];
        _file.Read(HeaderBytes + (first * sizeof(int)), tokens.AsSpan());
        return tokens;
    }

    /// <summary>The number, from 0, of the document that a token is of; its end is its own.</summary>
    public int DocumentOf(long token)
    {
        var found = Array.BinarySearch(_ends, token + 1);
        return found < 0 ? ~found : found;
    }

    public void Dispose() => _file.Dispose();

    private static IOException Damaged(string path) =>
        new($"{path} has no tokens as they are written here; delete it to make it again.");

    private static long Padded(long tokens) => (tokens + (tokens % 2)) * sizeof(int);
}
