using System.ComponentModel;
using System.Reflection;
using Serving.Tensors.Torch.Tests;
using Xunit.Abstractions;
using Xunit.Sdk;

[assembly: TestFramework("Serving.Tensors.Torch.Tests.SkippingFramework", "Tensors.Torch.Tests")]

namespace Serving.Tensors.Torch.Tests;

/// <summary>xunit's framework, but tests that need libtorch are skipped by name where it can't be loaded.</summary>
/// <remarks>Tests of the suites are inherited, so that no attribute of theirs can skip them.</remarks>
public sealed class SkippingFramework(IMessageSink messages) : XunitTestFramework(messages)
{
    protected override ITestFrameworkDiscoverer CreateDiscoverer(IAssemblyInfo assemblyInfo) =>
        new Discoverer(assemblyInfo, SourceInformationProvider, DiagnosticMessageSink);

    private sealed class Discoverer(
        IAssemblyInfo assembly, ISourceInformationProvider sources, IMessageSink messages)
        : XunitTestFrameworkDiscoverer(assembly, sources, messages)
    {
        protected override bool FindTestsForMethod(
            ITestMethod testMethod, bool includeSourceInformation, IMessageBus messageBus,
            ITestFrameworkDiscoveryOptions discoveryOptions)
        {
            var needsLibtorch = testMethod.TestClass.Class.GetCustomAttributes(typeof(NeedsLibtorchAttribute)).Any();
            var isTest = testMethod.Method.GetCustomAttributes(typeof(FactAttribute)).Any();
            if (Libtorch.Missing is null || !needsLibtorch || !isTest)
            {
                return base.FindTestsForMethod(
                    testMethod, includeSourceInformation, messageBus, discoveryOptions);
            }

            using var skipped = new SkippedTest(DiagnosticMessageSink, testMethod);
            return ReportDiscoveredTestCase(skipped, includeSourceInformation, messageBus);
        }
    }

    /// <summary>A test, or a theory with all its data, that is not run.</summary>
    private sealed class SkippedTest : XunitTestCase
    {
        [EditorBrowsable(EditorBrowsableState.Never)]
        [Obsolete("For deserialization only.")]
        public SkippedTest()
        {
        }

        public SkippedTest(IMessageSink messages, ITestMethod method)
            : base(messages, TestMethodDisplay.ClassAndMethod, TestMethodDisplayOptions.None, method)
        {
        }

        protected override string GetSkipReason(IAttributeInfo factAttribute) => Libtorch.Missing!;
    }
}
