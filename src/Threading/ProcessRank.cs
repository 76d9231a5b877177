namespace Serving.Threading;

/// <summary>How the operating system ranks a process against others.</summary>
public enum ProcessRank
{
    /// <summary>Only processors that nobody else wants: on a machine that is always busy, next to none.</summary>
    Idle,

    /// <summary>Behind all others, but never without a share.</summary>
    Low,

    /// <summary>As all others.</summary>
    Normal
}
