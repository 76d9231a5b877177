namespace Serving.Models.Bert;

/// <summary>How one vector is made of a sequence's last hidden states.</summary>
public enum Pooling
{
    /// <summary>BERT's own: tanh of a linear layer over [CLS] (Devlin et al. 2019). Not all models have it.</summary>
    Pooler,

    /// <summary>The hidden state of [CLS].</summary>
    Cls,

    /// <summary>The mean over all tokens, special ones included (Reimers and Gurevych 2019, sec. 3).</summary>
    Mean
}
