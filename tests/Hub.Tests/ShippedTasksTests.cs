using Serving.Catalog.Resident;
using Serving.Catalog.Stored;

namespace Serving.Hub.Tests;

/// <summary>What the product ships over models that it does not ship.</summary>
public sealed class ShippedTasksTests
{
    [Fact]
    public async Task ThoseOverTheModel_AreThereAfterItsPull_AndAfterAnother()
    {
        await using var pull = await PullFixture.StartAsync();
        var mood = pull.Ship("mood", seed: 1);
        var topic = pull.Ship("topic", seed: 2);
        pull.Ship("other", seed: 3, overOtherModel: true);

        for (var time = 0; time < 2; time++)
        {
            var result = await pull.PullAsync(with: request => request with { Load = true });
            Assert.Equal(["mood", "topic"], result.Tasks);
            var tasks = pull.Catalog.Table.Tasks;
            Assert.Equal(["mood", "topic"], tasks.Keys);
            foreach (var (name, version) in ((string, string)[])[("mood", mood), ("topic", topic)])
            {
                Assert.Equal([version], tasks[name].Versions.Keys);
                Assert.Equal(
                    [(TaskAliases.DefaultAlias, version), ("tiny-bert", version)],
                    tasks[name].Aliases.Aliases.Select(alias => (alias.Key, alias.Value.Version)));
                var host = Assert.IsType<EncoderHost>(pull.Catalog.Table.Models["tiny-bert"]);
                Assert.True(host.Engine.IsLoaded(name, version));
            }
        }
    }

    [Fact]
    public async Task ATaskThatIsThere_KeepsItsAliases()
    {
        await using var pull = await PullFixture.StartAsync();
        var own = pull.Ship("mood", seed: 1);
        await pull.PullAsync(with: request => request with { Load = true });
        Directory.Delete(pull.Shipped, recursive: true);
        var shipped = pull.Ship("mood", seed: 2);
        await pull.Catalog.SetAliasAsync("mood", "tiny-bert", _ => null);

        await pull.PullAsync(with: request => request with { Load = true });
        var aliases = pull.Catalog.Table.Tasks["mood"].Aliases.Aliases;
        Assert.Equal(own, aliases[TaskAliases.DefaultAlias].Version);
        Assert.Equal(shipped, aliases["tiny-bert"].Version);

        await pull.Catalog.SetAliasAsync("mood", "tiny-bert", _ => AliasTarget.To(own));
        await pull.PullAsync(with: request => request with { Load = true });
        Assert.Equal(own, pull.Catalog.Table.Tasks["mood"].Aliases.Aliases["tiny-bert"].Version);
    }

    [Fact]
    public async Task AModelThatIsNotLoaded_BringsNone()
    {
        await using var pull = await PullFixture.StartAsync();
        pull.Ship("mood", seed: 1);
        Assert.Empty((await pull.PullAsync()).Tasks);
        Assert.Empty(pull.Catalog.Table.Tasks);
    }
}
