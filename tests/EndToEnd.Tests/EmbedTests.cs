using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>serving embed, against a real server.</summary>
public sealed class EmbedTests
{
    private const int Count = 150; // More than a call takes.
    private const int Hidden = 48;

    [Fact]
    public async Task File_BecomesVectorsInItsOrder()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data);
        await server.Client.ImportTaskAsync("tone", data.WriteVersion(seed: 1), alias: "production");
        string[] texts =
        [
            .. Enumerable.Range(0, Count).Select(i => string.Join(' ', Enumerable.Repeat("abc"[i % 3], (i % 7) + 1)))
        ];
        await File.WriteAllLinesAsync(data.At("texts.tsv"), texts.Prepend("text"));
        var expected = (await server.Client.Embedder.EmbedAsync(new()
        {
            Inputs = { texts.Select(text => new TextInput { Text = text }) },
            Task = new() { Task = "tone" },
            Pooling = Pooling.Cls
        })).Embeddings.Select(embedding => embedding.Values.ToArray()).ToList();
        async Task RunAsync(string file)
        {
            var (exit, output, errors) = await CommandLine.RunAsync(
                server.Address, "embed", "--input", data.At("texts.tsv"), "--output", data.At(file), "--task", "tone",
                "--pooling", "cls");
            Assert.True(exit == 0 && output == $"{Count} vectors in {data.At(file)}\n", output + errors);
        }

        await RunAsync("vectors.npy");
        await RunAsync("vectors.jsonl");

        var array = await File.ReadAllBytesAsync(data.At("vectors.npy"));
        var start = 10 + BinaryPrimitives.ReadUInt16LittleEndian(array.AsSpan(8));
        Assert.Equal(0, start % 64);
        Assert.Equal(
            $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({Count}, {Hidden}), }}",
            Encoding.ASCII.GetString(array, 10, start - 10).Trim());
        Assert.Equal(start + (Count * Hidden * sizeof(float)), array.Length);
        var lines = await File.ReadAllLinesAsync(data.At("vectors.jsonl"));
        Assert.Equal(Count, lines.Length);
        for (var i = 0; i < Count; i++)
        {
            var row = Enumerable.Range(0, Hidden).Select(j => BinaryPrimitives.ReadSingleLittleEndian(
                array.AsSpan(start + (((i * Hidden) + j) * sizeof(float))))).ToArray();
            Assert.Equal(expected[i], row);
            var line = JsonDocument.Parse(lines[i]).RootElement;
            Assert.Equal(texts[i], line.GetProperty("text").GetString());
            Assert.Equal(
                expected[i], line.GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle()));
        }
    }

    [Fact]
    public async Task WhatFails_LeavesNoFile()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data);
        var tooLong = string.Join(' ', Enumerable.Repeat("c", 60));
        await File.WriteAllLinesAsync(data.At("texts.tsv"), ["text", "a", "b", tooLong]);
        foreach (var (file, message) in ((string, string)[])
            [("vectors.npy", "inputs[2].text: "), ("vectors.csv", "ends in '.csv'; .jsonl and .npy can be written.")])
        {
            var (exit, output, errors) = await CommandLine.RunAsync(
                server.Address, "embed", "--input", data.At("texts.tsv"), "--output", data.At(file));
            Assert.True(exit == 1 && errors.Contains(message, StringComparison.Ordinal), output + errors);
            Assert.Empty(Directory.GetFiles(data.Path, "vectors*"));
        }

        var neither = await CommandLine.RunAsync(server.Address, "embed");
        Assert.Contains("Give texts, or a file with --input.", neither.Errors, StringComparison.Ordinal);
    }
}
