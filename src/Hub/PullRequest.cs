namespace Serving.Hub;

/// <summary>What is pulled, and what becomes of it.</summary>
/// <param name="Source">"bert-base-uncased", "OWNER/NAME", "nuget:minilm".</param>
public sealed record PullRequest(string Source)
{
    /// <summary>A branch, a tag or a commit; empty for the source's default.</summary>
    public string Revision { get; init; } = "";

    /// <summary>What it is called here; empty for the last part of the source.</summary>
    public string Name { get; init; } = "";

    /// <summary>Whether it takes the place of a model of that name which is another.</summary>
    public bool Replace { get; init; }

    /// <summary>Whether it is read into memory.</summary>
    public bool Load { get; init; } = true;
}

/// <summary>A model that was pulled.</summary>
/// <param name="IsNew">False if it was there already.</param>
public sealed record PullResult(string Name, Sources.ModelOrigin Origin, bool IsNew)
{
    /// <summary>Tasks over it that the product ships.</summary>
    public IReadOnlyList<string> Tasks { get; init; } = [];
}
