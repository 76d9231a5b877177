using Grpc.Core;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Serving.Server.Lifetime;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Serving.Server.Tests.Lifetime;

public sealed class ReadinessTests
{
    [Fact]
    public void WhoIsToldOfServing_IsTakenAtOnce()
    {
        for (var round = 0; round < 200; round++)
        {
            var health = new HealthCheck();
            var readiness = new Readiness(health);
            readiness.Starting();
            var begins = false;
            var ready = new Thread(() =>
            {
                while (!Volatile.Read(ref begins))
                {
                }

                readiness.Ready();
            });
            ready.Start();
            Volatile.Write(ref begins, true);
            while (health.Status() != ServingStatus.Serving)
            {
            }

            Assert.True(readiness.IsReady);
            ready.Join();
        }
    }

    /// <summary>Answers without a call.</summary>
    private sealed class HealthCheck : HealthServiceImpl
    {
        private readonly HealthCheckRequest _server = new();

        public ServingStatus Status() => Check(_server, null!).Result.Status;
    }
}
