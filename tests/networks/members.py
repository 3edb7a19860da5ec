"""Networks of other people for `test_zoo`: one or more of every family that builds without weights.

Of timm the choice is computed: of each module of `timm.models` that registers models, the one with
the fewest parameters, and the smallest with several classifiers where there is one. Counting takes
minutes, so the answer is kept in ``timm_members.json`` (``python -m networks.members``, in
``tests/``, writes it); a module that a newer timm brings is counted when it is met. torchvision's
families are its modules; transformers' are built from configurations.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from timm.models import get_pretrained_cfg
from torch import nn

KEPT = Path(__file__).with_name("timm_members.json")
# The deepest maps have three rows at least: what tells a transposed grid from a right one.
ROWS = 3
SIDES = (64, 96, 112, 128, 160, 192, 224, 256, 288, 320, 384, 512)
# Their smallest has more than 100 million parameters: the same layers, fewer of them.
SHORTER: dict[str, dict[str, Any]] = {
    "deepseek_vit": {"depth": 4},
    "gemma4_vit": {"depth": 4},
    "qwen3_vit": {"depth": 4},
}


@dataclass(frozen=True)
class Member:
    """A network of the zoo.

    Args:
        library: "timm", "torchvision" or "transformers".
        family: The module that defines it.
        name: What its library calls it.
        side: Of the square pictures that it is given.
        arguments: What its builder is given beside the name.
        cost: Millions of parameters, for the choice of what the ordinary suite runs.
    """

    library: str
    family: str
    name: str
    side: int
    arguments: dict[str, Any] = field(default_factory=dict, compare=False)
    cost: float = 0.0

    def __str__(self) -> str:
        return f"{self.library}:{self.name}"

    def build(self) -> nn.Module:
        """The network with weights from a fixed seed, in eval mode."""
        torch.manual_seed(0)
        return _BUILDERS[self.library](self).eval()


def timm_members() -> list[Member]:
    """The smallest of each of timm's modules, and the smallest with several classifiers."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    known = set(timm.list_models())
    chosen = []
    for family in timm.list_modules():
        rows = kept.get(family)
        if not rows or any(row["name"] not in known for row in rows):
            rows = choose(family)
        chosen += [Member("timm", family, **row) for row in rows]
    return chosen


def choose(family: str) -> list[dict[str, Any]]:
    """The members of a module of timm: counts parameters, then looks for the smallest side."""
    names = timm.list_models(module=family)
    # Networks of timm's own tests are nobody's models.
    names = [name for name in names if not name.startswith("test_")] or names
    size = {name: count_parameters(name) for name in names}
    several = [name for name in names if isinstance(_classifier(name), tuple)]
    smallest = {min(group, key=lambda name: size[name]) for group in (names, several) if group}
    rows = []
    for name in sorted(smallest, key=lambda name: size[name]):
        side, arguments = smallest_side(name, SHORTER.get(family, {}))
        cost = round(size[name] / 1e6, 1)
        rows.append({"name": name, "side": side, "arguments": arguments, "cost": cost})
    return rows


def count_parameters(name: str) -> int:
    """Number of parameters of a network of timm, built without memory."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in timm.create_model(name).parameters())


def smallest_side(name: str, shorter: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The smallest pictures that a network of timm takes and that leave `ROWS` rows."""
    own = _configuration(name).input_size[-1]
    for side in [*(side for side in SIDES if side < own), own]:
        for arguments in (shorter | {"img_size": side}, shorter):
            try:
                module = timm.create_model(name, **arguments).eval()
                with torch.no_grad():
                    module(torch.rand(1, 3, side, side))
            except Exception:
                continue
            if side == own or side >= ROWS * _stride(module):
                return side, arguments
            break
    raise RuntimeError(f"timm:{name} runs at no size up to {own}")


def _configuration(name: str) -> Any:
    return get_pretrained_cfg(name)


def _classifier(name: str) -> Any:
    return _configuration(name).classifier


def _stride(module: nn.Module) -> int:
    stages: Any = getattr(module, "feature_info", [])
    return max((entry["reduction"] for entry in stages), default=32)


_TORCHVISION = {
    "alexnet": 96,
    "convnext_tiny": 96,
    "densenet121": 96,
    "efficientnet_b0": 96,
    "efficientnet_v2_s": 96,
    "googlenet": 96,
    "inception_v3": 160,
    "maxvit_t": 224,
    "mnasnet0_5": 96,
    "mobilenet_v2": 96,
    "mobilenet_v3_small": 96,
    "regnet_y_400mf": 96,
    "resnet18": 96,
    "shufflenet_v2_x0_5": 96,
    "squeezenet1_1": 96,
    "swin_t": 96,
    "swin_v2_t": 96,
    "vgg11": 96,
    "vit_b_32": 96,
}
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
    "vit_b_32": {"image_size": 96},
}


def torchvision_members() -> list[Member]:
    """One of each family of torchvision's classifiers: the module that it is defined in."""
    return [
        Member("torchvision", _family(name), name, side, _ARGUMENTS.get(name, {}), _weight(name))
        for name, side in _TORCHVISION.items()
    ]


def torchvision_families() -> set[str]:
    """The modules of torchvision that define classifiers."""
    return {_family(name) for name in torchvision.models.list_models(torchvision.models)}


def _family(name: str) -> str:
    return torchvision.models.get_model_builder(name).__module__.rpartition(".")[2]


def _weight(name: str) -> float:
    """Millions of parameters, which are published with the weights."""
    weights = torchvision.models.get_model_weights(name)
    return round(next(iter(weights)).meta["num_params"] / 1e6, 1)


def transformers_members() -> list[Member]:
    """Classifiers and encoders of transformers, built small; [] where it is not installed."""
    try:
        from networks.transformers_members import CONFIGURATIONS
    except ImportError:
        return []
    return [
        Member("transformers", family, name, side)
        for name, (family, side, _) in CONFIGURATIONS.items()
    ]


def _build_timm(member: Member) -> nn.Module:
    return timm.create_model(member.name, **member.arguments)


def _build_torchvision(member: Member) -> nn.Module:
    return torchvision.models.get_model(member.name, weights=None, **member.arguments)


def _build_transformers(member: Member) -> nn.Module:
    from networks.transformers_members import build

    return build(member.name)


_BUILDERS: dict[str, Callable[[Member], nn.Module]] = {
    "timm": _build_timm,
    "torchvision": _build_torchvision,
    "transformers": _build_transformers,
}


def all_members() -> list[Member]:
    """Every member, timm's first."""
    return [*timm_members(), *torchvision_members(), *transformers_members()]


def main() -> None:
    """Chooses timm's members anew and keeps the choice."""
    kept: dict[str, Any] = {}
    for family in timm.list_modules():
        kept[family] = choose(family)
        print(family, [(row["name"], row["side"]) for row in kept[family]], flush=True)
    rows = ",\n".join(f"{json.dumps(family)}: {json.dumps(kept[family])}" for family in kept)
    KEPT.write_text("{\n" + rows + "\n}\n")


if __name__ == "__main__":
    main()
