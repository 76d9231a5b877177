namespace Grpc.Core;

/// <summary>What a channel knows of its connections.</summary>
public enum ConnectivityState
{
    Idle,
    Connecting,
    Ready,
    TransientFailure,
    Shutdown
}
