using System.Text.Json;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>serving generate, against a real server.</summary>
public sealed class GenerateTests
{
    private const int Exclamation = '!'; // The tokenizer's ids of single bytes are the bytes.

    [Fact]
    public async Task Prompts_OnTheCommandLine_InAFile_AndThroughTheClient_GiveTheSameTexts()
    {
        using var data = new DataFolder();
        RandomGpt2.Write(Path.Combine(data.Path, "models", "writer"));
        await using var server = await ServerProcess.StartAsync(data);
        string[] prompts = ["the cat", "on the mat", "a\tb"];
        var sampling = new Sampling { Seed = 7, MaxNewTokens = 12, TopP = 0.9, IgnoreEos = true };
        string[] flags = ["--seed", "7", "--max-new-tokens", "12", "--top-p", "0.9", "--ignore-eos"];
        var expected = new List<string>();
        foreach (var prompt in prompts)
        {
            var parts = new List<string>();
            await foreach (var part in server.Client.GenerateTextAsync(prompt, sampling))
                parts.Add(part);
            expected.Add(string.Concat(parts));
        }

        Assert.Equal($"{expected[0]}\n", await RunAsync(server, ["generate", prompts[0], .. flags]));
        Assert.Equal($"{expected[1]}\n", await RunAsync(server, ["generate", "--prompt", prompts[1], .. flags]));

        await File.WriteAllLinesAsync(
            data.At("prompts.jsonl"), prompts.Select(prompt => JsonSerializer.Serialize(new { text = prompt })));
        var answers = data.At("answers.jsonl");
        Assert.Equal(
            $"3 answers in {answers}\n",
            await RunAsync(
                server, ["generate", "--file", data.At("prompts.jsonl"), "--output", answers, "--logprobs", .. flags]));
        var lines = (await File.ReadAllLinesAsync(answers))
            .Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(prompts, lines.Select(line => line.GetProperty("prompt").GetString()));
        Assert.Equal(expected, lines.Select(line => line.GetProperty("text").GetString()));
        Assert.All(lines, line =>
        {
            Assert.Equal("length", line.GetProperty("finish_reason").GetString());
            Assert.Equal(12, line.GetProperty("tokens").GetArrayLength());
        });
    }

    [Fact]
    public async Task SeveralAnswers_ComeInTheirOrder_AndAsJson()
    {
        using var data = new DataFolder();
        RandomGpt2.Write(Path.Combine(data.Path, "models", "writer"));
        await using var server = await ServerProcess.StartAsync(data);
        string[] flags =
        [
            "generate", "a", "--num-return-sequences", "2", "--logit-bias", $"{Exclamation}=100", "--max-new-tokens",
            "9", "--stop", "!!!!"
        ];
        Assert.Equal("[1]\n[2]\n", await RunAsync(server, flags));
        var lines = (await RunAsync(server, [.. flags[..^1], "?", "--json"])).TrimEnd().Split('\n');
        Assert.Equal(2, lines.Length);
        var second = JsonDocument.Parse(lines[1]).RootElement;
        Assert.Equal(
            (1, "!!!!!!!!!", "writer", 9),
            (second.GetProperty("answer").GetInt32(), second.GetProperty("text").GetString(),
                second.GetProperty("model").GetString(), second.GetProperty("generated_tokens").GetInt32()));
    }

    [Fact]
    public async Task WhatIsWrong_IsOneLine_AndLeavesNoFile()
    {
        using var data = new DataFolder();
        RandomGpt2.Write(Path.Combine(data.Path, "models", "writer"));
        await using var server = await ServerProcess.StartAsync(data);
        await File.WriteAllLinesAsync(data.At("prompts.tsv"), ["text", "a", new string('#', 70)]);
        var file = data.At("answers.jsonl");
        string[] fromFile = ["--file", data.At("prompts.tsv"), "--output", file];
        foreach (var (arguments, message) in ((string[], string)[])
            [
                ([], "Give one prompt, or a file with --file."),
                (["a", "--prompt", "b"], "Give one prompt, or a file with --file."),
                (["a", "--top-p", "0,5"], "--top-p: '0,5' is no number; one is written like 0.5."),
                (["a", "--top-p", "2"], "INVALID_ARGUMENT: sampling.top_p: It is 2; it must be above 0"),
                (["a", "--logit-bias", "x"], "--logit-bias is 'x'; ID=BIAS is needed, such as 50256=-100."),
                (fromFile, "INVALID_ARGUMENT: Prompt number 2: prompt: The prompt has 70 tokens; the model reads 64.")
            ])
        {
            var (exit, output, errors) =
                await CommandLine.RunAsync(server.Address, ["generate", .. arguments]);
            Assert.True(exit != 0 && errors.Contains(message, StringComparison.Ordinal), output + errors);
        }

        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(file)!, "answers*"));
        await RunAsync(server, ["generate", .. fromFile, "--truncate", "--max-new-tokens", "3"]);
        var lines = await File.ReadAllLinesAsync(file);
        Assert.DoesNotContain("truncated", lines[0], StringComparison.Ordinal);
        Assert.Contains("\"truncated\":true", lines[1], StringComparison.Ordinal);
    }

    private static async Task<string> RunAsync(ServerProcess server, string[] arguments)
    {
        var (exit, output, errors) = await CommandLine.RunAsync(server.Address, arguments);
        Assert.True(exit == 0, output + errors);
        return output;
    }
}
