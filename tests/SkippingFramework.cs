using System.ComponentModel;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Serving.Testing;

/// <summary>Marks a class of tests that need something which a machine may lack.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal abstract class NeedsAttribute : Attribute
{
    /// <summary>What is missing and how to get it; null if nothing is.</summary>
    public abstract string? Missing { get; }

    /// <summary>What a class of tests needs and the machine lacks; null if nothing.</summary>
    public static string? MissingFor(ITypeInfo tests) => tests.GetCustomAttributes(typeof(NeedsAttribute))
        .OfType<IReflectionAttributeInfo>()
        .Select(info => ((NeedsAttribute)info.Attribute).Missing)
        .FirstOrDefault(missing => missing is not null);
}

/// <summary>xunit's framework, but tests that need what is not there are skipped by name.</summary>
/// <remarks>Tests of suites are inherited, so that no attribute of theirs can skip them.</remarks>
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
            var isTest = testMethod.Method.GetCustomAttributes(typeof(FactAttribute)).Any();
            if (!isTest || NeedsAttribute.MissingFor(testMethod.TestClass.Class) is null)
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

        protected override string? GetSkipReason(IAttributeInfo factAttribute) =>
            NeedsAttribute.MissingFor(TestMethod.TestClass.Class);
    }
}
