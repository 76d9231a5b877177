namespace Serving.Decoding.Beams;

/// <summary>A text that may go on, and how it may.</summary>
/// <param name="mostTokens">Of its answer.</param>
/// <param name="mostOffers">How many tokens it offers.</param>
internal sealed class Beam(TokenHistory history, int mostTokens, int mostOffers)
{
    private readonly double[] _logProbabilities = new double[mostTokens];
    private readonly BeamOffer[] _offers = new BeamOffer[mostOffers];
    private int _offerCount;

    public TokenHistory History { get; } = history;

    /// <summary>The sum of log-probabilities, as penalties and bans left them.</summary>
    public double Sum { get; private set; }

    /// <summary>Whether it goes on.</summary>
    public bool IsLive { get; set; }

    /// <summary>Whether it has said how, in this step.</summary>
    public bool HasOffered { get; private set; }

    public ReadOnlySpan<BeamOffer> Offers => _offers.AsSpan(0, _offerCount);

    /// <summary>The model's log-probabilities of its answer's tokens.</summary>
    public ReadOnlySpan<double> LogProbabilities => _logProbabilities.AsSpan(0, History.Generated);

    /// <summary>Offers its most probable next tokens.</summary>
    /// <param name="candidates">Log-probabilities by ids.</param>
    /// <param name="unchanged">The model's logits.</param>
    /// <param name="logSum">ln Σ exp of those.</param>
    public void Offer(int slot, Candidates candidates, ReadOnlySpan<float> unchanged, double logSum)
    {
        _offerCount = 0;
        for (var i = 0; i < candidates.Count; i++)
        {
            var token = candidates.Ids[i];
            _offers[_offerCount++] =
                new(slot, token, Sum + candidates.LogitsOfIds[i], unchanged[token] - logSum);
        }

        HasOffered = true;
    }

    /// <summary>Becomes another text.</summary>
    public void CopyFrom(Beam other)
    {
        other.LogProbabilities.CopyTo(_logProbabilities);
        History.CopyFrom(other.History);
        IsLive = true;
    }

    /// <summary>Goes on with a token.</summary>
    public void Append(BeamOffer offer)
    {
        _logProbabilities[History.Generated] = offer.LogProbability;
        History.Append(offer.Token);
        Sum = offer.Sum;
    }

    /// <summary>Begins the next step.</summary>
    public void Forget() => HasOffered = false;
}

/// <summary>A token that a beam may go on with.</summary>
/// <param name="Slot">Which beam.</param>
/// <param name="Sum">The beam's sum with it.</param>
/// <param name="LogProbability">The model's.</param>
internal readonly record struct BeamOffer(int Slot, int Token, double Sum, double LogProbability);
