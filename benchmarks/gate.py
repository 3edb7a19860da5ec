"""How often a rule is wrong: held where the truth is just below it, failed where it is just above.

Models are simulated by the law of their rows: a run looks at them after every block, as
`invariscope check` does, and stops as soon as the rule is decided. The truth lies at the threshold
itself, the worst case on either side. Printed, in per cent:

- "held": of rules whose one cell lies at the threshold (others, of several, lie well above it);
- "failed": of rules all of whose cells lie at the threshold, of 1 and of 9 cells;
- "decided": of rules whose one cell is five standard errors of the whole budget away, how many were
  decided, and after how many images;
- the same with intervals for a fixed number of images in place of sequences, to see what the
  sequences are for.

    python benchmarks/gate.py             # 2,000 rules of each law, up to 1,024 images: minutes
    python benchmarks/gate.py --quick     # what the tests run
"""

import argparse
from collections.abc import Callable

import numpy as np

from invariscope.gate.judging import LEVEL
from invariscope.statistics.beyond import beyond
from invariscope.statistics.estimates import estimate
from invariscope.sweep.stopping import is_time_to_look

BLOCK = 32
Draw = Callable[[np.random.Generator, int, int], np.ndarray]

#: Name: (kind, rows [image, column] of a mean of 0.8, the spread of a row).
LAWS: dict[str, tuple[str, Draw, float]] = {
    "normal": ("mean", lambda rng, n, k: rng.normal(0.8, 0.1, (n, k)), 0.1),
    "1 - exponential": ("mean", lambda rng, n, k: 1 - rng.exponential(0.2, (n, k)), 0.2),
    "log-normal, σ = 1": (
        "mean",
        lambda rng, n, k: 0.8 + (rng.lognormal(0, 1, (n, k)) - np.exp(0.5)) / 10,
        0.216,
    ),
    "one in ten lower by 0.5": (
        "mean",
        lambda rng, n, k: 0.85 - 0.5 * (rng.random((n, k)) < 0.1) + rng.normal(0, 0.05, (n, k)),
        0.158,
    ),
    "share 0.8": ("share", lambda rng, n, k: 1.0 * (rng.random((n, k)) < 0.8), 0.4),
    "share 0.99": ("share", lambda rng, n, k: 1.0 * (rng.random((n, k)) < 0.99), 0.0995),
}


def ends(
    rows: np.ndarray, threshold: float, kind: str, *, cells: int = 1, anytime: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Looks at rows after every block, as a check does.

    Args:
        rows: [image, column], each column a run of its own.
        threshold: Values are to be at least that.
        kind: Of the estimate.
        cells: Among how many cells of its rule each column is.
        anytime: Whether intervals are sequences.

    Returns:
        For each column +1 if it held, -1 if it failed, 0 if neither; and after how many images.
    """
    end, images = np.zeros(rows.shape[1], int), np.full(rows.shape[1], len(rows))
    for blocks in range(1, len(rows) // BLOCK + 1):
        n = blocks * BLOCK
        open_columns = np.flatnonzero(end == 0)
        if not (is_time_to_look(blocks) or n == len(rows)) or not len(open_columns):
            continue
        made = estimate(rows[:n, open_columns], kind=kind).at_any_time(anytime)
        above, below = beyond(made, threshold, seed=0)
        end[open_columns] = np.where(above <= LEVEL, 1, np.where(below * cells <= LEVEL, -1, 0))
        decided = open_columns[end[open_columns] != 0]
        images[decided] = n
    return end, images


def rates(law: str, rules: int, budget: int, *, anytime: bool = True, seed: int = 0) -> list[float]:
    """Per cent held, failed (1 cell), failed (9 cells), decided; and the mean number of images."""
    kind, draw, spread = LAWS[law]
    rng = np.random.default_rng(seed)
    truth = 0.99 if law == "share 0.99" else 0.8
    at_it, _ = ends(draw(rng, budget, rules), truth, kind, anytime=anytime)
    nine = draw(rng, budget, 9 * (rules // 9))
    among, _ = ends(nine, truth, kind, cells=9, anytime=anytime)
    away = truth - 5 * spread / np.sqrt(budget)
    clear, images = ends(draw(rng, budget, rules), away, kind, anytime=anytime)
    return [
        100 * float((at_it > 0).mean()),
        100 * float((at_it < 0).mean()),
        100 * float((among.reshape(9, -1) < 0).any(axis=0).mean()),
        100 * float((clear > 0).mean()),
        float(images.mean()),
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="90 rules, 256 images")
    parser.add_argument("--rules", type=int, default=1998)
    parser.add_argument("--budget", type=int, default=1024)
    options = parser.parse_args()
    rules, budget = (90, 256) if options.quick else (options.rules, options.budget)
    print(f"{rules} rules of each law, up to {budget} images, looked at after every block")
    head = ("held", "failed", "of 9 cells", "decided", "images")
    print(f"{'law':26}{'intervals':>12}" + "".join(f"{name:>12}" for name in head))
    for law in LAWS:
        for anytime in (True, False):
            numbers = rates(law, rules, budget, anytime=anytime)
            how = "at any time" if anytime else "fixed n"
            print(f"{law:26}{how:>12}" + "".join(f"{number:12.1f}" for number in numbers))


if __name__ == "__main__":
    main()
