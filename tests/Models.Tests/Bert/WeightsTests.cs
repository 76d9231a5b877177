using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Tensors.Cpu;

namespace Serving.Models.Tests.Bert;

/// <summary>Weights as they come: in shards, in other types, with values that can't be.</summary>
public sealed class WeightsTests : IDisposable
{
    private readonly SmallFolder _folder = new();
    private readonly CpuBackend _backend = new(1);
    private readonly string _digest;

    public WeightsTests() => _digest = Digest();

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Shards_AreReadThroughTheirIndex()
    {
        WriteShards(_ => { });
        Assert.Equal(_digest, Digest());
    }

    [Theory]
    [InlineData("../model-0.safetensors", "the name of a file beside the index is needed")]
    [InlineData("/etc/passwd", "the name of a file beside the index is needed")]
    [InlineData("", "the name of a file beside the index is needed")]
    [InlineData("model-7.safetensors", "model-7.safetensors is missing, which model.safetensors.index.json names")]
    [InlineData("model-1.safetensors", "does not say that 'bert.embeddings.LayerNorm.weight' is here")]
    public void Shards_ThatAreNotWhereTheIndexSays_AreRefused(string shard, string message)
    {
        WriteShards(map => map["bert.embeddings.LayerNorm.weight"] = shard);
        Refused(message);
    }

    [Fact]
    public void Shards_WithTensorsThatTheIndexDoesNotName_AreRefused()
    {
        WriteShards(map => map.Remove("bert.pooler.dense.bias"));
        Refused("does not say that 'bert.pooler.dense.bias' is here");
        WriteShards(map => map["bert.pooler.dense.other"] = "model-0.safetensors");
        Refused("weight_map.bert.pooler.dense.other is 'model-0.safetensors'; that file has no such tensor");
    }

    [Fact]
    public void WeightsInDoublePrecision_AreReadAsFloats()
    {
        _folder.Rewrite((writer, entry, bytes) =>
        {
            double[] values = [.. MemoryMarshal.Cast<byte, float>(bytes).ToArray().Select(value => (double)value)];
            var doubles = MemoryMarshal.AsBytes<double>(values).ToArray();
            writer.Add(entry.Name, SafetensorsTypes.Float64, [.. entry.Shape], doubles);
        });
        Assert.Equal(_digest, Digest());
    }

    [Theory]
    [InlineData("bert.pooler.dense.bias", 1, float.NaN)]
    [InlineData("bert.embeddings.word_embeddings.weight", 3, float.PositiveInfinity)]
    [InlineData("bert.encoder.layer.2.output.LayerNorm.weight", 2, float.NegativeInfinity)]
    public void Values_ThatAreNoFiniteNumbers_AreRefusedWithTensorAndCount(string name, int count, float value)
    {
        _folder.Rewrite((writer, entry, bytes) =>
        {
            if (entry.Name == name)
                MemoryMarshal.Cast<byte, float>(bytes.AsSpan())[..count].Fill(value);
            writer.Add(entry.Name, entry.Type, [.. entry.Shape], bytes);
        });
        Refused($"'{name}' F32", $"has {count} of ", "values that are no finite numbers as float32");
        Assert.Throws<ModelFileException>(() => _folder.Model.ReadDigest());
    }

    [Fact]
    public void Values_InDoublePrecision_ThatNoFloatHolds_AreRefused()
    {
        _folder.Rewrite((writer, entry, bytes) =>
        {
            if (entry.Name == "bert.pooler.dense.bias")
            {
                var values = new double[48];
                values[7] = 1e300;
                writer.Add(entry.Name, SafetensorsTypes.Float64, [48], MemoryMarshal.AsBytes<double>(values).ToArray());
            }
            else
                writer.Add(entry.Name, entry.Type, [.. entry.Shape], bytes);
        });
        Refused("'bert.pooler.dense.bias' F64 [48] has 1 of 48 values that are no finite numbers as float32");
    }

    [Theory]
    [InlineData("encoder.layer.0.attention.self.distance_embedding.weight")]
    [InlineData("bert.encoder.layer.3.output.dense.bias")]
    [InlineData("bert.embeddings.projection.weight")]
    [InlineData("bert.prefix_encoder.embedding.weight")]
    [InlineData("bert.embeddings_project.weight")]
    [InlineData("bert.encoder.layer.0.attention.self.query.lora_A.weight")]
    public void Tensors_ThatTakePartAndAreNotKnown_AreRefusedByName(string name)
    {
        AddTensor(name);
        Refused($"'{name}' F32 [48] is no part of a BERT of 3 num_hidden_layers");
    }

    [Theory]
    [InlineData("cls.predictions.bias")]
    [InlineData("bert.embeddings.position_ids")]
    [InlineData("classifier.weight")]
    public void Tensors_OfHeadsAndBuffers_AreLeftOut(string name)
    {
        AddTensor(name);
        Assert.Equal(_digest, Digest());
    }

    [Fact]
    public void Tensor_UnderTwoNames_IsRefused()
    {
        AddTensor("pooler.dense.bias");
        Refused("has both 'pooler.dense.bias' and 'bert.pooler.dense.bias', which mean the same");
    }

    [Theory]
    [InlineData("num_hidden_layers", 2, "'bert.encoder.layer.2.attention.output.LayerNorm.bias' F32 [48] is no part")]
    [InlineData("num_hidden_layers", 4, "which is needed for num_hidden_layers in config.json")]
    [InlineData("vocab_size", 97, "[97, 48] is needed for vocab_size and hidden_size")]
    [InlineData("vocab_size", 95, "the tokenizer has 96 tokens, and vocab_size in config.json is 95")]
    [InlineData("max_position_embeddings", 41, "[41, 48] is needed for max_position_embeddings and hidden_size")]
    [InlineData("type_vocab_size", 1, "[1, 48] is needed for type_vocab_size and hidden_size")]
    [InlineData("intermediate_size", 81, "[81, 48] is needed for intermediate_size and hidden_size")]
    public void Sizes_OtherThanTheWeights_AreRefusedByTheirFields(string field, int value, string message)
    {
        _folder.Edit(ModelFiles.Config, config => config[field] = value);
        Refused(message);
    }

    [Fact]
    public void PointerOfGitLfs_IsNamedForWhatItIs_WithTheRemedy()
    {
        _folder.Write(ModelFiles.Weights, "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 438\n");
        Refused("model.safetensors is a pointer of Git LFS, not the file itself", "'git lfs pull'");
        WriteShards(_ => { });
        _folder.Write("model-1.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 438\n");
        Refused("model-1.safetensors is a pointer of Git LFS");
    }

    [Theory]
    [InlineData("model.bert.")]
    [InlineData("module.")]
    [InlineData("bert.bert.")]
    public void Tensors_UnderALongerPrefix_AreRefusedWithOneOfThem(string prefix)
    {
        _folder.Rewrite((writer, entry, bytes) => writer.Add(
            prefix + entry.Name["bert.".Length..], entry.Type, [.. entry.Shape], bytes));
        Refused(prefix == "bert.bert."
            ? "'bert.bert.embeddings.LayerNorm.bias' F32 [48] is no part of a BERT"
            : $"it has '{prefix}embeddings.word_embeddings.weight'. Save the BERT in it as a model of its own");
    }

    [Fact]
    public void Weights_WithoutAPooler_AreAnotherBackbone_WhosePoolerNobodyMasks()
    {
        var digest = Digest();
        Leave("pooler");

        Assert.NotEqual(digest, Digest());
        Assert.False(_folder.Model.LoadConfig().HasPooler);
        using var encoder = _folder.Model.LoadEncoder(_backend);
        Assert.DoesNotContain(
            BertTensors.Maskable(encoder.Config), tensor => tensor.Name == BertTensors.PoolerWeight);
        using var masks = BertMasks.Load(_backend, encoder.Config, new RandomMasks(encoder.Config, seed: 1));
        using var workspace = encoder.CreateWorkspace(8, 1);
        var batch = new BertBatch();
        batch.AddBranch(batch.AddSequence(new([default, default], 0)), masks, Pooling.Mean);
        Assert.All(encoder.Forward(batch, workspace).ToArray(), value => Assert.True(float.IsFinite(value)));
        batch.Clear();
        batch.AddBranch(batch.AddSequence(new([default, default], 0)), masks, Pooling.Pooler);
        Assert.Contains(
            "the pooler, which this model does not have",
            Assert.Throws<Tensors.ShapeException>(() => encoder.Forward(batch, workspace)).Message);
    }

    [Theory]
    [InlineData("pooler.dense.weight")]
    [InlineData("pooler.dense.bias")]
    public void Weights_WithHalfAPooler_AreRefused(string missing)
    {
        Leave(missing);
        Refused($"has no tensor '{missing}', which is needed: the pooler is there in part");
    }

    /// <summary>Leaves out the tensors with a part of a name.</summary>
    private void Leave(string part) => _folder.Rewrite((writer, entry, bytes) =>
    {
        if (!entry.Name.Contains(part, StringComparison.Ordinal))
            writer.Add(entry.Name, entry.Type, [.. entry.Shape], bytes);
    });

    [Fact]
    public void Adapters_AreRefused()
    {
        _folder.Write(ModelFiles.Adapter, "{}");
        Refused("adapter_config.json: adapters are not added");
    }

    private string Digest()
    {
        using var encoder = _folder.Model.LoadEncoder(_backend);
        Assert.Equal(encoder.Backbone, _folder.Model.ReadDigest());
        return encoder.Digest;
    }

    private void Refused(params string[] messages)
    {
        var before = _backend.AllocatedBytes;
        var exception = Assert.Throws<ModelFileException>(() => _folder.Model.LoadEncoder(_backend));
        Assert.All(messages, message => Assert.Contains(message, exception.Message, StringComparison.Ordinal));
        Assert.Equal(before, _backend.AllocatedBytes);
    }

    private void AddTensor(string name)
    {
        var isAdded = false;
        _folder.Rewrite((writer, entry, bytes) =>
        {
            writer.Add(entry.Name, entry.Type, [.. entry.Shape], bytes);
            if (!isAdded)
                writer.Add(name, [48], new float[48]);
            isAdded = true;
        });
    }

    /// <summary>Writes the weights into two files with an index.</summary>
    private void WriteShards(Action<JsonObject> edit)
    {
        var map = new JsonObject();
        SafetensorsWriter[] shards = [new(), new()];
        using (var file = SafetensorsFile.Open(Golden.At("bert/model.safetensors")))
        {
            foreach (var (entry, i) in file.Entries.Values.Select((entry, i) => (entry, i)))
            {
                var shard = (i + 1) % 2;
                map[entry.Name] = $"model-{shard}.safetensors";
                shards[shard].Add(entry.Name, entry.Type, [.. entry.Shape], file.Bytes(entry.Name).ToArray());
            }
        }

        if (map["bert.embeddings.LayerNorm.weight"]!.GetValue<string>() == "model-1.safetensors")
            Assert.Fail("The test expects it in the first file.");
        for (var i = 0; i < shards.Length; i++)
        {
            using var stream = File.Create(_folder.At($"model-{i}.safetensors"));
            shards[i].Write(stream);
        }

        edit(map);
        File.Delete(_folder.At(ModelFiles.Weights));
        var metadata = new JsonObject { ["total_size"] = 1 };
        _folder.Write(
            ModelFiles.WeightIndex, new JsonObject { ["metadata"] = metadata, ["weight_map"] = map }.ToJsonString());
    }
}
