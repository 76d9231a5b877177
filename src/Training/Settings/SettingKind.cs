namespace Serving.Training.Settings;

/// <summary>What values a setting takes.</summary>
public enum SettingKind
{
    Integer,
    Number,

    /// <summary>On or off; off where it is left out.</summary>
    Flag,

    /// <summary>One of <see cref="Setting.Choices"/>.</summary>
    Choice,

    /// <summary>A length of time.</summary>
    Duration,

    /// <summary>The name of a model.</summary>
    Model,

    /// <summary>The name of a dataset.</summary>
    Dataset,

    /// <summary>A task version.</summary>
    Task
}
