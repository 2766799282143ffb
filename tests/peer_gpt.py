"""The small job that README times, in PyTorch: what `python gpt.py --n-embd 16 --batch-size 1
--steps 1000 --eval-docs 0` does, on the same names, with the same network, optimiser and sampling.

Not a test: it needs PyTorch, which the project does not. Time the whole process on one core:

    time python tests/peer_gpt.py
"""
import os
import random

import torch
from torch import nn
from torch.nn import functional as F

N_EMBD, N_HEAD, BLOCK_SIZE, STEPS, LR = 16, 4, 16, 1000, 0.01


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(N_EMBD), nn.LayerNorm(N_EMBD)
        self.c_attn, self.attn_proj = nn.Linear(N_EMBD, 3 * N_EMBD), nn.Linear(N_EMBD, N_EMBD)
        self.c_fc, self.mlp_proj = nn.Linear(N_EMBD, 4 * N_EMBD), nn.Linear(4 * N_EMBD, N_EMBD)

    def forward(self, x):
        heads = self.c_attn(self.ln_1(x)).view(len(x), 3, N_HEAD, -1).permute(1, 2, 0, 3)
        mixed = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.attn_proj(mixed.transpose(0, 1).reshape(x.shape))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab_size, N_EMBD), nn.Embedding(BLOCK_SIZE, N_EMBD)
        self.block, self.ln_f = Block(), nn.LayerNorm(N_EMBD)
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.139)

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(len(ids)))
        return F.linear(self.ln_f(self.block(x)), self.wte.weight)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(42)
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "names.txt"), encoding="utf-8") as file:
        names = file.read().split()
    random.Random(42).shuffle(names)
    chars = [""] + sorted(set("".join(names)))
    model = GPT(len(chars))
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.8, 0.99), weight_decay=0.01)
    for step in range(STEPS):
        ids = torch.tensor([0, *map(chars.index, names[step]), 0])
        loss = F.cross_entropy(model(ids[:-1]), ids[1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = LR * min((step + 1) / (STEPS // 20 + 1), (STEPS - step) / (STEPS * 0.95))
        optimizer.step()
    with torch.no_grad():
        for _ in range(20):
            ids = [0]
            while len(ids) <= BLOCK_SIZE:
                probs = F.softmax(model(torch.tensor(ids))[-1], dim=-1)
                ids.append(torch.multinomial(probs, 1).item())
                if ids[-1] == 0:
                    break
            print("".join(chars[i] for i in ids))


if __name__ == "__main__":
    main()
