using Serving.Testing;
using Serving.Text.Bert;
using Serving.Training.Pretraining;

namespace Serving.Training.Tests.Pretraining;

/// <summary>A corpus of a few texts, in a file of its own.</summary>
internal sealed class TextCorpus : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public TextCorpus(IEnumerable<string> documents, BertTokenizer tokenizer)
    {
        File = Path.Combine(_folder.Path, "corpus.tokens");
        Corpus.Write(File, documents, tokenizer);
        Value = Corpus.Open(File);
    }

    public string File { get; }

    public Corpus Value { get; }

    public void Dispose()
    {
        Value.Dispose();
        _folder.Dispose();
    }
}
