"""Searches of known numbers: a table as `find_factors` makes it, without a network or an image."""

import numpy as np
import pandas as pd

from invariscope.search import Factors, get_operations
from invariscope.search.example_files import Example
from invariscope.search.factor_table import FACTOR_SCHEMA
from invariscope.search.families import axes
from invariscope.search.operations import unique_operations
from invariscope.search.rows import PairRows
from invariscope.search.table import OVERALL, TABLE_SCHEMA
from invariscope.transformations import FAMILIES

POOL = (
    "rotate 3,rotate 4,rotate 8,rotate 9,translate_x 3,invert 3,posterize 5,posterize 6,"
    "posterize 7,posterize 8,shear_x 4 + invert 3,saturation 0"
)


def settings_of(classes, pool, pairs):
    """The manifest's settings."""
    columns = {key: column for column, key in enumerate(unique_operations(pool))}
    return {
        "model": "builtin:known", "weights": "0123456789abcdef", "data": "folder:known",
        "preprocessing": {"size": [32, 32], "resize": 32, "interpolation": "bicubic"},
        "seed": 0, "pairs": pairs, "block_size": 32, "shear_centre": "corner",
        "classes": [{"name": name, "images": 2 * pairs, "pairs": pairs} for name in classes],
        "operations": [{**one.as_dict(), "column": columns.get(one.key)} for one in pool],
    }  # fmt: skip


def known_search(
    classes=("cat", "dog", "owl"), operations=POOL, change=None, pairs=8, examples=(), seed=0,
    closed=None,
):  # fmt: skip
    """A search whose relative changes are given; those of identities are 0.

    Args:
        classes: Their names.
        operations: As for `find_factors`.
        change: (class, operation) → relative change; by default seeded numbers around −0.02.
        pairs: Of each class.
        examples: Pairs as pictures.
        seed: Of the seeded numbers.
        closed: (class, family) → the share closed, found where above 0.05; by default 0.01.
    """
    random = np.random.default_rng(seed)
    pool = get_operations(operations)
    shape = (len(classes), len(pool))
    values = random.normal(-0.02, 0.03, shape)
    if change is not None:
        values = np.array([[change(name, one.name) for one in pool] for name in classes])
    values[:, [one.kind == "identity" for one in pool]] = 0.0
    by_key = {}
    for column, one in enumerate(pool):  # equal operations have equal numbers
        values[:, column] = values[:, by_key.setdefault(one.key, column)]
    table = np.vstack([values.mean(axis=0), values])
    names = [OVERALL, *classes]
    count = len(names)
    frame = pd.DataFrame(
        {
            "class": np.repeat(np.array(names, dtype=object), len(pool)),
            "operation": [one.name for one in pool] * count,
            "kind": [one.kind for one in pool] * count,
            "families": [one.families for one in pool] * count,
            "magnitude": [one.magnitude for one in pool] * count,
            "policy": [one.policy for one in pool] * count,
            "key": [one.key for one in pool] * count,
        }
    )
    flat = table.ravel()
    nothing = (frame["kind"] == "identity").to_numpy()
    for name, scale in (("change", 0.5), ("relative_change", 1.0)):
        frame[name] = scale * flat
        frame[f"{name}_low"], frame[f"{name}_high"] = scale * flat - 0.01, scale * flat + 0.01
    share = np.where(nothing, 0.0, np.clip(0.5 + 5 * flat, 0, 1))
    frame["proportion_boosted"] = share
    frame["proportion_boosted_low"], frame["proportion_boosted_high"] = share - 0.1, share + 0.1
    frame["boost"] = np.where(share > 0, np.abs(flat), np.nan)
    frame["weighted_boost"] = np.where(share > 0, np.abs(flat) * share, 0.0)
    per_class = [pairs * len(classes), *[pairs] * len(classes)]
    frame["n"] = np.repeat(per_class, len(pool))
    frame["n_guarded"], frame["n_negative"], frame["n_undefined"] = 0, 0, 0
    frame["p"] = np.where(nothing, np.nan, np.where(np.abs(flat) > 0.03, 0.001, 0.5))
    frame["q"] = np.where(nothing, np.nan, np.where(np.abs(flat) > 0.03, 0.01, 0.6))
    frame["first_half"] = 0.5 * flat
    frame["second_half"] = 0.5 * flat
    manifest = {
        "format": 1, "version": "0.1.0", "identity": "0123456789abcdef",
        "command": "factors",
        "settings": settings_of(classes, pool, pairs),
        "images": {
            "selected": 2 * pairs * len(classes), "available": 10_000, "skipped": [], "notes": [],
        },
        "transformations": {name: FAMILIES.get(name).as_dict() for name in FAMILIES},
        "environment": {},
        "execution": {"status": "finished", "started": "2026-01-02T03:04:05", "events": [],
                      "arguments": {"model": "'builtin:known'", "images": "'folder:known'",
                                    "pairs": str(pairs)}},
        "warnings": [],
    }  # fmt: skip
    rows = PairRows([], [0] * len(classes), len(unique_operations(pool)))
    factors = known_factors(manifest, closed or (lambda name, family: 0.01))
    return Factors(manifest, frame[TABLE_SCHEMA.names], factors, rows, examples=examples)


def known_factors(manifest, closed):
    """A table of factors whose shares are given; what is above 0.05 is found."""
    settings = manifest["settings"]
    made = []
    for entry in settings["classes"]:
        for axis in axes(settings["operations"]):
            for family in axis.families:
                levels = [level for level in axis.levels if level.family == family]
                magnitudes = [level.magnitude for level in levels]
                share = closed(entry["name"], family)
                made.append(
                    {"class": entry["name"], "family": family, "statistic": share,
                     "ci_low": share - 0.02, "ci_high": share + 0.02,
                     "p": 0.0001 if share > 0.05 else 1.0, "q": 0.001 if share > 0.05 else 1.0,
                     "added": share, "beside": "", "images": entry["images"],
                     "rests_on": entry["images"], "low": min(magnitudes), "high": max(magnitudes),
                     "lost": 0.0, "lost_low": 0.0, "unit": levels[0].unit,
                     "signed": levels[0].signed}
                )  # fmt: skip
    return pd.DataFrame(made, columns=FACTOR_SCHEMA.names)


def known_examples(class_name="cat", operation="rotate 9", roles=("helped", "middle", "hurt")):
    """Pictures of one colour each: 10, 20 and 30."""
    picture = np.stack([np.full((8, 12, 3), 10 * k, np.uint8) for k in (1, 2, 3)])
    return [
        Example(class_name, operation, role, f"{role}/a.png", f"{role}/b.png", 0.5, change, picture)
        for role, change in zip(roles, (0.25, 0.05, -0.1), strict=False)
    ]
