using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Testing;

namespace Serving.Models.Tests.Gpt2;

public sealed class GenerationDefaultsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Load_WhatIsThere_IsRead_AndTheRestIsLeftOpen()
    {
        var defaults = Load(
            """
            {
                "_from_model_config": true, "transformers_version": "4.40.0", "do_sample": false, "temperature": 0.7,
                "top_k": 50, "eos_token_id": 3, "bad_words_ids": [[1, 2], [4]], "num_beams": 1, "max_length": 20,
                "min_p": null
            }
            """);

        Assert.Equal((false, 0.7, 50), (defaults.Samples, defaults.Temperature, defaults.TopK));
        Assert.Null(defaults.TopP);
        Assert.Null(defaults.MinP);
        Assert.Equal([3], defaults.EndTokens);
        Assert.Equal([[1, 2], [4]], defaults.BadWords);
        Assert.Equal([5, 6], Load("""{"eos_token_id": [5, 6]}""").EndTokens);
    }

    [Theory]
    [InlineData("""{"num_beams": 4}""", "num_beams is 4; it is not done here; 1 is needed.")]
    [InlineData("""{"suppress_tokens": [1]}""", "suppress_tokens is [1]; it is not done here; none is needed.")]
    [InlineData("""{"warmth": 1}""", "warmth is 1; what it means is not known here")]
    [InlineData("""{"temperature": "hot"}""", "temperature is 'hot'; a number is needed.")]
    [InlineData("""{"top_k": -1}""", "top_k is -1; a whole number, 0 to 2147483647, is needed.")]
    [InlineData("""{"eos_token_id": ["x"]}""", "ids of tokens are needed.")]
    [InlineData("""{"bad_words_ids": [1]}""", "a list of lists of ids is needed.")]
    public void Load_WhatIsNotDone_IsRefusedByName(string json, string message) => Assert.Contains(
        message, Assert.Throws<ModelFileException>(() => Load(json)).Message, StringComparison.Ordinal);

    private GenerationDefaults Load(string json)
    {
        File.WriteAllText(_folder.At(ModelFiles.GenerationConfig), json);
        return GenerationDefaults.Load(_folder.At(ModelFiles.GenerationConfig));
    }
}
