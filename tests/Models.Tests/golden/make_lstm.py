"""Writes lstm/: a random LSTM of two layers, what PyTorch's nn.LSTM makes of it, and ten steps of training, in float64.

i.ids are three sequences, of 12, 1 and 7 tokens; i.logits what comes behind each token. The loss is the mean
cross-entropy of all next tokens of the first and the last. gradient.NAME is that of the first step, losses are those
before each of ten steps of AdamW, and after.NAME is a parameter after them. Weight decay applies to matrices, and the
norm of all gradients is clipped. Needs Debian's python3-torch. Usage: /usr/bin/python3 make_lstm.py (torch 1.13)
"""
import json
import os
import struct

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, EMBEDDING, HIDDEN, LAYERS = 23, 12, 18, 2
LENGTHS = [12, 1, 7]
RATE, DECAY, EPSILON, LARGEST_NORM, STEPS = 0.01, 0.1, 1e-6, 1.0, 10


def save(path, tensors):
    header, offset, data = {}, 0, b""
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        value = value if value.dtype == torch.int64 else value.float()
        raw = value.numpy().tobytes()
        header[name] = {
            "dtype": "I64" if value.dtype == torch.int64 else "F32",
            "shape": list(value.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCAB, EMBEDDING)
        self.lstm = torch.nn.LSTM(EMBEDDING, HIDDEN, LAYERS)
        self.lm_head = torch.nn.Linear(HIDDEN, VOCAB, bias=False)

    def forward(self, ids):
        return self.lm_head(self.lstm(self.embedding(ids).unsqueeze(1))[0].squeeze(1))


def main():
    torch.manual_seed(1)
    model = Model().double()
    for value in model.parameters():  # As float32 files have them.
        value.data = torch.empty_like(value).uniform_(-0.5, 0.5).float().double()
    os.makedirs(os.path.join(HERE, "lstm"), exist_ok=True)
    with open(os.path.join(HERE, "lstm", "config.json"), "w") as file:
        json.dump({
            "model_type": "lstm", "vocab_size": VOCAB, "embedding_size": EMBEDDING, "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS, "max_position_embeddings": 32, "tie_word_embeddings": False,
            "eos_token_id": 0}, file, indent=2)
    save(os.path.join(HERE, "lstm", "model.safetensors"), dict(model.state_dict()))
    result = {}
    texts = [torch.randint(VOCAB, (length,)) for length in LENGTHS]
    for i, ids in enumerate(texts):
        result[f"{i}.ids"] = ids
        result[f"{i}.logits"] = model(ids).detach()
    matrices = [value for value in model.parameters() if value.dim() == 2]
    others = [value for value in model.parameters() if value.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0}], lr=RATE, eps=EPSILON)
    losses, learned = [], [texts[0], texts[2]]
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            torch.cat([model(ids[:-1]) for ids in learned]), torch.cat([ids[1:] for ids in learned]))
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            result.update({"gradient." + name: value.grad.clone() for name, value in model.named_parameters()})
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_NORM)
        optimizer.step()
    result.update({"after." + name: value.detach() for name, value in model.named_parameters()})
    result["losses"] = torch.tensor(losses)
    save(os.path.join(HERE, "lstm", "golden.safetensors"), result)


if __name__ == "__main__":
    main()
