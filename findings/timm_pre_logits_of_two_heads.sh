#!/usr/bin/env bash
# timm 1.0.31 (torch 2.14.1): what is `forward_head(features, pre_logits=True)` of a network with two heads?
#
# The guess: the vector that the classifiers read, so that the mean of both heads on it is the network's
# answer, as the name says. For LeViT and EfficientFormer that holds to the
# last bit. For distilled DeiT and PiT the two heads read two *different* tokens, and pre_logits is the mean
# of the tokens: a vector that no head reads. Both heads on it give another answer than the
# network; only where the two heads are one and the same would it be right again.
#
# Seen: 1.0.31 | levit_128s 0.0% off | efficientformer_l1 0.0% off | deit_tiny_distilled_patch16_224 21.3% off | pit_ti_distilled_224 2.8% off
# (largest difference of the logits over their largest value; untrained weights of seed 0)
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check timm==1.0.31 torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
env/bin/python -W ignore - <<'PY'
import timm
import torch

seen = {}
for name in (
    "levit_128s",
    "efficientformer_l1",
    "deit_tiny_distilled_patch16_224",
    "pit_ti_distilled_224",
):
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=10).eval()
    images = torch.rand(2, *network.default_cfg["input_size"])
    with torch.no_grad():
        logits = network(images)
        vector = network.forward_head(network.forward_features(images), pre_logits=True)
        heads = network.get_classifier()
        both = torch.stack([head(vector) for head in heads]).mean(0)
    seen[name] = float((both - logits).abs().max() / logits.abs().max())
print(timm.__version__, "|", " | ".join(f"{name} {gap:.1%} off" for name, gap in seen.items()))
assert seen["levit_128s"] < 1e-5 and seen["efficientformer_l1"] < 1e-5
assert seen["deit_tiny_distilled_patch16_224"] > 0.05 and seen["pit_ti_distilled_224"] > 0.005
PY
