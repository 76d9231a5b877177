using System.Text;
using Serving.Tensors;

namespace Serving.Training;

/// <summary>What random numbers are drawn for: the purposes that go into <see cref="CounterRandom.Key"/>.</summary>
/// <remarks>
/// Each purpose has its own stream of random numbers. Those of a group share a seed, a run's also with
/// those of its loop, so no number may occur twice.
/// Changing a number changes what a seed trains.
/// </remarks>
internal static class RandomPurposes
{
    /// <summary>A number for a name (FNV-1a, 64 bits): a parameter's own purpose.</summary>
    public static ulong Of(string name)
    {
        var hash = 0xCBF29CE484222325;
        foreach (var value in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ value) * 0x100000001B3;
        return hash;
    }

    /// <summary>Of the seed of any run, beside those of its kind.</summary>
    public static class Loop
    {
        public const ulong Order = 1;
        public const ulong Dropout = 2;
    }

    /// <summary>Of the seed of a pretraining run, beside those of its loop.</summary>
    public static class Pretraining
    {
        public const ulong Head = 3;
        public const ulong Schedule = 4;
        public const ulong Hiding = 5;
        public const ulong Weights = 6;
        public const ulong Auxiliary = 7;
    }

    /// <summary>Of the seed of a language model's run, beside those of its loop.</summary>
    public static class LanguageModel
    {
        public const ulong Weights = 3;
        public const ulong Losses = 4;
    }

    /// <summary>Of the seed of an autoencoder's run, beside those of its loop, and of the keys of its steps.</summary>
    public static class Vae
    {
        public const ulong Weights = 3;
        public const ulong Steps = 4;
        public const ulong Noise = 5;
        public const ulong Words = 6;
        public const ulong EncoderSteps = 7;
        public const ulong Texts = 8;
        public const ulong Dropout = 9;
        public const ulong Evaluation = 10;
        public const ulong Information = 11;
    }

    /// <summary>Of the key of a pretraining example.</summary>
    public static class Example
    {
        public const ulong Arrangement = 1;
        public const ulong Corruption = 2;
        public const ulong Trigrams = 3;
        public const ulong Shortening = 4;
        public const ulong Neighbor = 5;
    }

    /// <summary>Of the seed of a classifier's training run, beside those of its loop.</summary>
    public static class Classifier
    {
        public const ulong Head = 3;
        public const ulong Mask = 4;
    }

    /// <summary>Of a seed of a pruning, from which those of its trainings follow.</summary>
    public static class Pruning
    {
        public const ulong Round = 21;
        public const ulong Mask = 22;
        public const ulong Weights = 23;
        public const ulong Order = 24;
    }

    /// <summary>Of the seed of a choice of heads and feed-forward layers.</summary>
    public static class Parts
    {
        public const ulong Heads = 1;
        public const ulong FeedForward = 2;
    }

    /// <summary>Of the seed of a curve between two classifiers.</summary>
    public static class Curve
    {
        public const ulong Point = 11;
        public const ulong Order = 12;
    }
}
