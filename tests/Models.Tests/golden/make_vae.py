"""Writes vae/: a random autoencoder of two LSTMs, and what PyTorch makes of a step, in float64.

i.tokens are three texts with their beginning and end, 0; noise is what is drawn for each. statistics are the means of
the latents with the logarithms of their variances, reconstruction and kl sums over texts, and gradient.NAME is that of
their mean over texts, kl with a weight of 0.7. Needs Debian's python3-torch. Usage: /usr/bin/python3 make_vae.py
"""
import json
import os

import torch

from make_lstm import save

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, EMBEDDING, HIDDEN, LATENT = 23, 12, 18, 5
LENGTHS = [9, 1, 6]
WEIGHT = 0.7


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Module()
        self.encoder.embedding = torch.nn.Embedding(VOCAB, EMBEDDING)
        self.encoder.lstm = torch.nn.LSTM(EMBEDDING, HIDDEN)
        self.posterior = torch.nn.Linear(HIDDEN, 2 * LATENT)
        self.embedding = torch.nn.Embedding(VOCAB, EMBEDDING)
        self.lstm = torch.nn.LSTM(EMBEDDING + LATENT, HIDDEN)
        self.latent_to_cell = torch.nn.Linear(LATENT, HIDDEN)
        self.lm_head = torch.nn.Linear(HIDDEN, VOCAB, bias=False)

    def forward(self, tokens, noise):
        last = self.encoder.lstm(self.encoder.embedding(tokens[1:]).unsqueeze(1))[1][0].view(-1)
        statistics = self.posterior(last)
        mean, log_variance = statistics[:LATENT], statistics[LATENT:]
        z = mean + torch.exp(log_variance / 2) * noise
        words = self.embedding(tokens[:-1])
        cell = self.latent_to_cell(z).view(1, 1, -1)
        x = torch.cat([words, z.expand(len(words), -1)], 1).unsqueeze(1)
        hidden = self.lstm(x, (torch.tanh(cell), cell))[0].squeeze(1)
        reconstruction = torch.nn.functional.cross_entropy(self.lm_head(hidden), tokens[1:], reduction="sum")
        kl = 0.5 * (mean ** 2 + torch.exp(log_variance) - log_variance - 1).sum()
        return statistics, reconstruction, kl


def main():
    torch.manual_seed(2)
    model = Model().double()
    for value in model.parameters():  # As float32 files have them.
        value.data = torch.empty_like(value).uniform_(-0.5, 0.5).float().double()
    os.makedirs(os.path.join(HERE, "vae"), exist_ok=True)
    with open(os.path.join(HERE, "vae", "config.json"), "w") as file:
        json.dump({
            "model_type": "lstm", "vocab_size": VOCAB, "embedding_size": EMBEDDING, "hidden_size": HIDDEN,
            "num_hidden_layers": 1, "latent_size": LATENT, "max_position_embeddings": 32,
            "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 0}, file, indent=2)
    save(os.path.join(HERE, "vae", "model.safetensors"), dict(model.state_dict()))
    end = torch.zeros(1, dtype=torch.int64)
    texts = [torch.cat([end, torch.randint(1, VOCAB, (length,)), end]) for length in LENGTHS]
    noise = torch.randn(len(texts), LATENT).float().double()
    parts = [model(text, own) for text, own in zip(texts, noise)]
    reconstruction, kl = sum(part[1] for part in parts), sum(part[2] for part in parts)
    ((reconstruction + WEIGHT * kl) / len(texts)).backward()
    result = {f"{i}.tokens": text for i, text in enumerate(texts)}
    result.update({"gradient." + name: value.grad for name, value in model.named_parameters()})
    result["noise"] = noise
    result["statistics"] = torch.stack([part[0] for part in parts]).detach()
    result["sums"] = torch.stack([reconstruction, kl]).detach()
    save(os.path.join(HERE, "vae", "golden.safetensors"), result)


if __name__ == "__main__":
    main()
