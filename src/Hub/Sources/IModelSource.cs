using Serving.Storage;

namespace Serving.Hub.Sources;

/// <summary>A place that models come from.</summary>
public interface IModelSource
{
    /// <summary>Whether a name is written as those of this source are.</summary>
    bool Has(string source);

    /// <summary>What a model is called here if nobody says otherwise.</summary>
    string DefaultName(string source);

    /// <summary>A model that is here already, if this source can't be asked whether there is a newer one.</summary>
    /// <param name="present">Where the model in the folder comes from.</param>
    bool IsLatest(ModelOrigin present, string source, string revision);

    /// <summary>Finds out what exactly a name means at present; nothing large is downloaded yet.</summary>
    /// <param name="revision">A branch, a tag or a commit; empty for the source's default.</param>
    /// <exception cref="DomainException">There is none, it is none that can run here, or nobody answers.</exception>
    Task<PinnedModel> PinAsync(
        string source, string revision, IProgress<PullProgress> progress, CancellationToken cancellationToken);
}

/// <summary>One revision of a model, which never changes.</summary>
/// <param name="origin">The files aside, which are known once they are here.</param>
public abstract class PinnedModel(ModelOrigin origin)
{
    public ModelOrigin Origin => origin;

    /// <summary>Brings all files that are not in the draft yet, checked against their digests.</summary>
    /// <exception cref="DomainException">A file is not what was announced, or nobody answers any more.</exception>
    /// <exception cref="Models.ModelFileException">It is no model that can run here.</exception>
    public abstract Task FetchAsync(
        ModelDraft draft, IProgress<PullProgress> progress, CancellationToken cancellationToken);
}
