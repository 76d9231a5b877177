using System.Text.Json.Nodes;
using Serving.Models.Bert;

namespace Serving.Models.Tests.Bert;

/// <summary>config.json: what changes the arithmetic is done or refused by name.</summary>
public sealed class BertConfigTests : IDisposable
{
    private readonly SmallFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("is_decoder", "false")]
    [InlineData("is_decoder", "null")]
    [InlineData("pruned_heads", "{}")]
    [InlineData("hidden_act", "\"gelu_python\"")] // The same, written out.
    [InlineData("hidden_dropout_prob", "0.3")]
    [InlineData("torch_dtype", "\"float64\"")]
    [InlineData("id2label", "{\"0\": \"no\"}")]
    [InlineData("chunk_size_feed_forward", "8")]
    [InlineData("pooler_type", "\"first_token_transform\"")]
    [InlineData("embedding_size", "48")]
    [InlineData("xla_device", "null")]
    [InlineData("eos_token_ids", "[0]")]
    [InlineData("sentence_transformers", "{\"activation_fn\": \"torch.nn.modules.activation.Sigmoid\"}")]
    [InlineData("sbert_ce_default_activation_function", "\"torch.nn.modules.linear.Identity\"")]
    [InlineData("transformers.js_config", "{\"dtype\": \"q8\"}")]
    [InlineData("architectures", "[\"OwnModelAroundABert\"]")]
    public void Fields_ThatChangeNothing_AreRead(string name, string value)
    {
        var expected = _folder.Model.LoadConfig();
        _folder.Edit(ModelFiles.Config, config => config[name] = JsonNode.Parse(value));
        Assert.Equal(expected, _folder.Model.LoadConfig());
    }

    [Theory]
    [InlineData("is_decoder", "true", "is_decoder is true; only an encoder runs here")]
    [InlineData("is_decoder", "\"no\"", "is_decoder is 'no'; only an encoder runs here")]
    [InlineData("max_position_embeddings", "4", "max_position_embeddings is 4; a whole number, 5 to")]
    [InlineData("add_cross_attention", "true", "add_cross_attention is true")]
    [InlineData("is_encoder_decoder", "1", "is_encoder_decoder is 1")]
    [InlineData("pruned_heads", "{\"1\": [0]}", "pruned_heads is {\"1\":[0]}")]
    [InlineData("quantization_config", "{\"bits\": 8}", "quantization_config is {\"bits\":8}")]
    [InlineData("auto_map", "{\"AutoModel\": \"x.y\"}", "auto_map is {")]
    [InlineData("position_embedding_type", "\"relative_key_query\"", "position_embedding_type is 'relative_key_query'")]
    [InlineData("position_embedding_type", "null", "position_embedding_type is null; only 'absolute' runs here")]
    [InlineData("hidden_act", "\"gelu_new\"", "hidden_act is 'gelu_new'; only 'gelu' or 'gelu_python' runs here")]
    [InlineData("hidden_act", "null", "hidden_act is null")]
    [InlineData("hidden_act", "[\"gelu\"]", "hidden_act is [\"gelu\"]")]
    [InlineData("layer_norm_eps", "\"1e-12\"", "layer_norm_eps is '1e-12'; a number of 0 or more that float32")]
    [InlineData("layer_norm_eps", "-1", "layer_norm_eps is -1")]
    [InlineData("layer_norm_eps", "1e99", "layer_norm_eps is 1e99")]
    [InlineData("layer_norm_eps", "null", "layer_norm_eps is null")]
    [InlineData("hidden_size", "48.5", "hidden_size is 48.5; a whole number, 1 to 16777216, is needed")]
    [InlineData("hidden_size", "\"48\"", "hidden_size is '48'; a whole number, 1 to 16777216, is needed")]
    [InlineData("embedding_size", "24", "embedding_size is 24; hidden_size, 48, is needed")]
    [InlineData("num_hidden_groups", "1", "num_hidden_groups is 1; what it means is not known here")]
    [InlineData("Hidden_Act", "\"gelu\"", "Hidden_Act is 'gelu'; what it means is not known here")]
    public void Fields_ThatChangeTheArithmetic_AreRefusedByName(string name, string value, string message)
    {
        _folder.Edit(ModelFiles.Config, config => config[name] = JsonNode.Parse(value));
        var exception = Assert.Throws<ModelFileException>(() => _folder.Model.LoadConfig());
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vocab_size")]
    [InlineData("hidden_size")]
    [InlineData("num_hidden_layers")]
    [InlineData("num_attention_heads")]
    [InlineData("intermediate_size")]
    public void Sizes_ThatAreMissing_AreRefusedByName(string name)
    {
        _folder.Edit(ModelFiles.Config, config => config.Remove(name));
        var exception = Assert.Throws<ModelFileException>(() => _folder.Model.LoadConfig());
        Assert.Contains($"{name} is missing; a whole number, 1 to", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Field_ThatIsThereTwice_IsRefused()
    {
        var config = File.ReadAllText(_folder.At(ModelFiles.Config));
        _folder.Write(ModelFiles.Config, config.Insert(1, "\"num_attention_heads\": 2,"));
        var exception = Assert.Throws<ModelFileException>(() => _folder.Model.LoadConfig());
        Assert.Contains("num_attention_heads is there twice", exception.Message);
    }

    [Theory]
    [InlineData("[\"RobertaModel\"]", false)]
    [InlineData("[\"BertModel\", \"ElectraModel\"]", false)]
    [InlineData("[\"BertForSequenceClassification\"]", true)]
    [InlineData("[]", true)]
    [InlineData("null", true)]
    public void Classes_OfAnotherKind_AreRefusedWhereTheKindIsNotSaid(string architectures, bool isRead)
    {
        _folder.Edit(ModelFiles.Config, config =>
        {
            config.Remove("model_type");
            config["architectures"] = JsonNode.Parse(architectures);
        });
        if (isRead)
            _ = _folder.Model.LoadConfig();
        else
        {
            var exception = Assert.Throws<ModelFileException>(() => _folder.Model.LoadConfig());
            Assert.Contains("architectures is [", exception.Message, StringComparison.Ordinal);
        }
    }
}
