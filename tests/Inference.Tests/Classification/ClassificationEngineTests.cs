using Serving.Inference.Classification;
using Serving.Inference.Scheduling;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Inference.Tests.Classification;

public sealed class ClassificationEngineTests
{
    [Fact]
    public async Task Classify_ManyMixedRequests_GiveTheBitsOfEachAlone()
    {
        using var fixture = new EngineFixture();
        string[] tasks = ["a", "b", "c", "d", "e"];
        for (var i = 0; i < tasks.Length; i++)
            fixture.AddTask(tasks[i], seed: i, labels: 2 + i);
        (string Text, string[] Tasks)[] requests =
        [
            .. Enumerable.Range(0, 64).Select(i => (
                string.Join(
                    ' ', Enumerable.Range(0, (i % 13) + 1).Select(word => $"{(char)('a' + ((i + word) % 20))}")),
                i % 7 == 0 ? tasks : new[] { tasks[i % tasks.Length] }))
        ];

        // Together: all wait behind a first batch that stands at the gate.
        fixture.Backend.Close();
        var first = fixture.Classify("x", "a");
        await fixture.Backend.PassBeganAsync();
        var together = requests.Select(request => fixture.Classify(request.Text, request.Tasks)).ToArray();
        fixture.Backend.Open();
        await first;
        var answers = await Task.WhenAll(together);

        Assert.InRange(fixture.Engine.Batches, 2, 5);
        for (var i = 0; i < requests.Length; i++)
        {
            var alone = await fixture.Classify(requests[i].Text, requests[i].Tasks);
            Assert.Equal(requests[i].Tasks, answers[i].Scores.Select(scores => scores.Task));
            foreach (var (one, other) in alone.Scores.Zip(answers[i].Scores))
            {
                Assert.Equal(
                    one.Logits.Select(BitConverter.SingleToUInt32Bits),
                    other.Logits.Select(BitConverter.SingleToUInt32Bits));
                Assert.Equal(2 + Array.IndexOf(tasks, other.Task), other.Labels.Count);
                Assert.Equal(1, other.Probabilities.Sum(), 1e-6f);
                Assert.Equal(other.Labels[other.Logits.AsSpan().IndexOf(other.Logits.Max())], other.Label);
            }
        }
    }

    [Fact]
    public async Task Classify_OneTextUnderManyTasks_IsEmbeddedOnceAndSplitToFit()
    {
        // Four tasks of three tokens each fit into a batch of 12 branches' worth; ten tasks take three batches.
        using var fixture = new EngineFixture(new() { MaxBatchTokens = 40, MaxBatchBranches = 4 });
        string[] tasks = [.. Enumerable.Range(0, 10).Select(i => $"task-{i}")];
        for (var i = 0; i < tasks.Length; i++)
            fixture.AddTask(tasks[i], seed: i);

        var answer = await fixture.Classify("a", tasks);

        Assert.Equal(tasks, answer.Scores.Select(scores => scores.Task));
        Assert.All(answer.Scores, scores => Assert.Equal(1, scores.Probabilities.Sum(), 1e-6f));
        Assert.Equal(3, answer.Tokens);
        Assert.Equal([3, 3, 3], fixture.Backend.Passes); // The embeddings of one text each time.
    }

    [Fact]
    public async Task Classify_QueueFull_IsRefusedAtOnceAndTakenLater()
    {
        using var fixture = new EngineFixture(
            new() { MaxQueuedRequests = 2, MaxQueuedTokens = 42, MaxBatchTokens = 42 });
        fixture.AddTask("t", seed: 1);
        fixture.Backend.Close();
        var running = fixture.Classify("a", "t");
        await fixture.Backend.PassBeganAsync();
        var long1 = fixture.Classify(string.Join(' ', Enumerable.Repeat("a", 30)), "t"); // 32 tokens

        var tokens = await Assert.ThrowsAsync<QueueFullException>(() => fixture.Classify("a b c d e f g h i", "t"));
        var short1 = fixture.Classify("a", "t");
        var requests = await Assert.ThrowsAsync<QueueFullException>(() => fixture.Classify("a", "t"));

        Assert.Equal("The queue is full (1 requests, 32 tokens); retry later.", tokens.Message);
        Assert.Equal("The queue is full (2 requests, 35 tokens); retry later.", requests.Message);
        fixture.Backend.Open();
        await Task.WhenAll(running, long1, short1);
        await fixture.Classify("a b c d e f g", "t");
        Assert.Equal(0, fixture.Engine.QueuedRequests);
    }

    [Fact]
    public async Task Classify_PacedRequests_WaitPastAFullQueue_AndTakeNoRoom()
    {
        using var fixture = new EngineFixture(new() { MaxQueuedRequests = 1 });
        fixture.AddTask("t", seed: 1);
        fixture.Backend.Close();
        var paced = EngineFixture.Request("a", "t") with { IsPaced = true };
        List<Task> answers = [fixture.Engine.ClassifyAsync(paced)];
        await fixture.Backend.PassBeganAsync();

        for (var i = 0; i < 5; i++)
            answers.Add(fixture.Engine.ClassifyAsync(paced));
        answers.Add(fixture.Classify("a", "t"));
        await Assert.ThrowsAsync<QueueFullException>(() => fixture.Classify("a", "t"));
        answers.Add(fixture.Engine.ClassifyAsync(paced));

        Assert.Equal((7, 21), (fixture.Engine.QueuedRequests, fixture.Engine.QueuedTokens));
        fixture.Backend.Open();
        await Task.WhenAll(answers);
        Assert.Equal((0, 0), (fixture.Engine.QueuedRequests, fixture.Engine.QueuedTokens));
    }

    [Fact]
    public async Task Classify_GreedyTask_LeavesRoomForOthers()
    {
        using var fixture = new EngineFixture(new() { MaxQueuedRequests = 10 });
        fixture.AddTask("greedy", seed: 1);
        fixture.AddTask("modest", seed: 2);
        fixture.Backend.Close();
        List<Task> answers = [fixture.Classify("a", "greedy")];
        await fixture.Backend.PassBeganAsync();
        for (var i = 0; i < 8; i++)
            answers.Add(fixture.Classify("a", "greedy"));

        var refused = await Assert.ThrowsAsync<QueueFullException>(() => fixture.Classify("a", "greedy"));
        answers.Add(fixture.Classify("a", "modest"));

        Assert.Equal(TimeSpan.FromMilliseconds(10), refused.RetryAfter); // Nothing is known of its speed yet.
        Assert.Equal(9, fixture.Engine.QueuedRequests);
        fixture.Backend.Open();
        await Task.WhenAll(answers);
    }

    [Fact]
    public async Task Drain_AnswersWhatWasAdmitted_AndTakesNothingNew()
    {
        using var fixture = new EngineFixture();
        fixture.AddTask("t", seed: 1);
        fixture.Backend.Close();
        var running = fixture.Classify("a", "t");
        await fixture.Backend.PassBeganAsync();
        var waiting = fixture.Classify("b", "t");

        var drained = fixture.Engine.DrainAsync();
        await Assert.ThrowsAsync<EngineClosedException>(() => fixture.Classify("c", "t"));
        Assert.False(drained.IsCompleted);
        fixture.Backend.Open();

        await Task.WhenAll(running, waiting, drained);
    }

    [Fact]
    public async Task Embed_BesideClassification_GetsTheVectorsOfEachAlone()
    {
        using var fixture = new EngineFixture();
        fixture.AddTask("x", seed: 1);
        fixture.AddTask("y", seed: 2);
        EmbeddingRequest[] requests =
        [
            .. Enum.GetValues<Pooling>().Cast<Pooling?>().Append(null).SelectMany(pooling =>
                new TaskReference?[] { null, new("x"), new("y") }.Select(task => new EmbeddingRequest
                {
                    Text = "a b c",
                    Task = task,
                    Pooling = pooling,
                    WantsTokens = pooling == Pooling.Cls
                }))
        ];
        var alone = new List<EmbeddingResult>();
        foreach (var request in requests)
            alone.Add(await fixture.Engine.EmbedAsync(request));
        var scores = await fixture.Classify("a b c", "x", "y");

        fixture.Backend.ForgetPasses();
        fixture.Backend.Close();
        var first = fixture.Classify("c", "x");
        await fixture.Backend.PassBeganAsync();
        var together = requests.Select(request => fixture.Engine.EmbedAsync(request)).ToList();
        var classified = fixture.Classify("a b c", "x", "y");
        fixture.Backend.Open();
        await first;

        Assert.Equal(scores.Scores[1].Logits, (await classified).Scores[1].Logits);
        foreach (var (own, answer) in alone.Zip(await Task.WhenAll(together)))
        {
            Assert.Equal(own.Vector, answer.Vector);
            Assert.Equal(own.TokenVectors, answer.TokenVectors);
            Assert.Equal((own.Version, own.Pooling, own.Tokens), (answer.Version, answer.Pooling, answer.Tokens));
        }

        Assert.Equal(2, fixture.Backend.Passes.Count); // All that waited ran together.
        var cls = alone[Array.FindIndex(requests, request => request.WantsTokens)];
        Assert.Equal(cls.Vector, cls.TokenVectors![..cls.Vector.Length]);
        Assert.Equal(cls.Tokens * cls.Vector.Length, cls.TokenVectors!.Length);
        Assert.Equal([Pooling.Mean, Pooling.Pooler], alone[^3..^1].Select(answer => answer.Pooling));
        Assert.Equal(12, alone.Select(answer => answer.Vector[0]).Distinct().Count() + 3); // Null is one of the others.
    }

    [Fact]
    public async Task Classify_CancelledOrLate_CostsNoForwardPass()
    {
        using var fixture = new EngineFixture();
        fixture.AddTask("t", seed: 1);
        fixture.Backend.Close();
        var running = fixture.Classify("a", "t");
        await fixture.Backend.PassBeganAsync();
        using var cancellation = new CancellationTokenSource();
        var cancelled = fixture.Engine.ClassifyAsync(EngineFixture.Request("b c", "t"), cancellation.Token);
        var late = fixture.Engine.ClassifyAsync(
            EngineFixture.Request("d e f", "t") with { Deadline = fixture.Time.GetUtcNow() + TimeSpan.FromSeconds(1) });
        var served = fixture.Classify("g h i j", "t");

        Assert.Equal((3, 15), (fixture.Engine.QueuedRequests, fixture.Engine.QueuedTokens));
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Equal((2, 11), (fixture.Engine.QueuedRequests, fixture.Engine.QueuedTokens));
        fixture.Time.Advance(TimeSpan.FromSeconds(1));
        fixture.Backend.Open();

        await Assert.ThrowsAsync<DeadlinePassedException>(() => late);
        await Task.WhenAll(running, served);
        Assert.Equal([3, 6], fixture.Backend.Passes); // "a" and "g h i j" with their special tokens.
        Assert.Equal(TimeSpan.FromSeconds(1), (await served).Queued);
        Assert.Equal(0, fixture.Engine.QueuedRequests);
    }

    [Fact]
    public async Task Classify_BadRequests_SayWhatIsNeededAndHoldNothing()
    {
        using var fixture = new EngineFixture(new() { MaxQueuedTokens = 60 });
        var before = fixture.Backend.AllocatedBytes;
        var text = fixture.AddTask("text", seed: 1);
        var pair = fixture.AddTask("pair", seed: 2, inputs: TextInputs.Pair);

        await Refused<NotResidentException>(
            "No version of the task 'x' is active. 2 are active: pair, text.", EngineFixture.Request("a", "text", "x"));
        await Refused<NotResidentException>(
            "Version 7 of the task 'text' is not loaded. Load it first. 2 are active: pair, text.",
            new() { Text = "a", Tasks = [new("text", "7")] });
        await Refused<WrongInputsException>(
            "The request names no task; at least one is needed.", EngineFixture.Request("a"));
        await Refused<WrongInputsException>(
            "The task 'pair' reads a text and its pair; the pair is missing.", EngineFixture.Request("a", "pair"));
        await Refused<WrongInputsException>(
            "The task 'text' reads one text; leave the pair out.",
            EngineFixture.Request("a", "text") with { Pair = "b" });
        await Refused<InvalidTextException>(
            "The text is empty; at least one word is needed.", EngineFixture.Request("", "text"));
        await Refused<InvalidTextException>(
            "The text has half of a surrogate pair, U+DC00, at index 0; well-formed Unicode is needed. "
            + "Replace or remove it.",
            EngineFixture.Request("\uDC00", "text"));
        await Refused<WrongInputsException>(
            "The request has 64 tokens over its 2 tasks; at most 60 can wait. Split it.",
            EngineFixture.Request(string.Join(' ', Enumerable.Repeat("a", 30)), "text", "text"));
        Assert.Throws<NotResidentException>(() => fixture.Engine.ActivateTask("text", "7"));

        Assert.Equal(0, fixture.Engine.Batches);
        await fixture.Engine.UnloadTaskAsync("text", text);
        await fixture.Engine.UnloadTaskAsync("pair", pair);
        Assert.Equal(before, fixture.Backend.AllocatedBytes);

        async Task Refused<TException>(string message, ClassificationRequest request)
            where TException : Exception
        {
            var exception = await Assert.ThrowsAsync<TException>(() => fixture.Engine.ClassifyAsync(request));
            Assert.Equal(message, exception.Message);
        }
    }

    [Fact]
    public async Task Classify_TruncationAndPairs_AreReported()
    {
        using var fixture = new EngineFixture();
        fixture.AddTask("pair", seed: 2, inputs: TextInputs.Pair);
        var text = string.Join(' ', Enumerable.Repeat("a", 50));
        var answer = await fixture.Engine.ClassifyAsync(EngineFixture.Request(text, "pair") with
        {
            Pair = "b",
            Truncation = Truncation.LongestFirst
        });
        Assert.Equal(40, answer.Tokens);
        Assert.Equal(50 + 1 + 3 - 40, answer.DroppedTokens);
    }

    [Fact]
    public async Task Classify_BadRow_DoesNotFailItsNeighbours()
    {
        using var fixture = new EngineFixture();
        fixture.AddTask("good", seed: 1);
        fixture.AddTask("infinite", seed: 2, headScale: 3e38f);
        fixture.Backend.PoisonToken = 10; // "&" in the vocabulary
        fixture.Backend.Close();
        var running = fixture.Classify("a", "good");
        await fixture.Backend.PassBeganAsync();

        var good = fixture.Classify("a b", "good");
        var poisoned = fixture.Classify("a &", "good");
        var infinite = fixture.Classify("a b c", "infinite");
        fixture.Backend.Open();

        await running;
        Assert.Equal(1, (await good).Scores[0].Probabilities.Sum(), 1e-6f);
        Assert.Equal("poison", (await Assert.ThrowsAsync<InvalidOperationException>(() => poisoned)).Message);
        var exception = await Assert.ThrowsAsync<NonFiniteScoresException>(() => infinite);
        Assert.StartsWith("The task 'infinite', version ", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lane_OnceWarm_AllocatesNothing()
    {
        using var fixture = new EngineFixture();
        fixture.AddTask("a", seed: 1);
        fixture.AddTask("b", seed: 2);

        // The thread pool's queue, which answers go through, grows now and then on the loop's thread. What a batch
        // itself allocates would show in every stretch of batches.
        var least = long.MaxValue;
        for (var stretch = 0; stretch < 10; stretch++)
        {
            var before = fixture.Lanes.AllocatedBytes;
            var batches = fixture.Engine.Batches;
            for (var i = 0; i < 100; i++)
            {
                var first = fixture.Classify("a b c", "a", "b");
                var second = fixture.Classify("d e", "b");
                await first;
                await second;
            }

            Assert.InRange(fixture.Engine.Batches - batches, 100, 200);
            least = Math.Min(least, fixture.Lanes.AllocatedBytes - before);
        }

        Assert.Equal(0, least);
    }

    [Fact]
    public async Task Dispose_FailsWhatWaitsAndFreesAll()
    {
        var fixture = new EngineFixture();
        fixture.AddTask("t", seed: 1);
        fixture.Backend.Close();
        var running = fixture.Classify("a", "t");
        await fixture.Backend.PassBeganAsync();
        var waiting = fixture.Classify("b", "t");

        var disposing = Task.Run(fixture.Engine.Dispose);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (true)
                await fixture.Classify("c", "t").WaitAsync(TimeSpan.FromMilliseconds(1)).ContinueWith(_ => { });
        });
        fixture.Backend.Open();
        await disposing;

        Assert.Equal("t", (await running).Scores[0].Task);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        fixture.Dispose();
        Assert.Equal(0, fixture.Backend.AllocatedBytes);
    }
}
