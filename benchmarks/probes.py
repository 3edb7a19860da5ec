"""Do the two ways to fit a last layer agree? L-BFGS to convergence, and Adam for some epochs.

    python benchmarks/probes.py                     # JSON on standard output, some minutes
    python benchmarks/probes.py --objects stamps    # Debian's tuxpaint-stamps-default
    python benchmarks/probes.py --width 0.5 --epochs 25,100

A narrow ResNet-18 learns 15 objects of Transforms-2D under three transformations. Its features of
15 others under the same transformations, and under three others, get a new last layer both ways.
Accuracies are on the same test images, so the difference is paired, with a 95 % interval. The paper
trains the last layer for 25 epochs, its later published code for 200.
"""

import argparse
import json
import tempfile
import time

ADAM, LBFGS = "adam", "lbfgs"
LEARNT, OTHERS = "rotation+scale+blur", "translation+horizontal_flip+color_jitter"


def main() -> None:
    """Trains, fits and prints JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--objects", default="shapes")
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--epochs", default="25,200", help="of Adam")
    parser.add_argument("--images", type=int, default=30_000, help="to fit the last layer on")
    parser.add_argument("--test-images", type=int, default=2000)
    options = parser.parse_args()

    import torch

    from invariscope.models import load_model
    from invariscope.training import Recipe, train
    from invariscope.training.probes import fit_adam, fit_logistic
    from invariscope.training.splits import open_splits
    from invariscope.training.transfer import penultimate

    def task(first: int, transformations: str, images: int) -> str:
        return (
            f"transforms2d:{options.objects}?classes=15&first={first}&split=train&size=24"
            f"&transformations={transformations}&num={images}"
        )

    recipe = Recipe(
        task(0, LEARNT, 6000), f"small:resnet18?width={options.width:g}", augment="whole image",
        size=24, epochs=4, batch_size=32, optimizer="adam", learning_rate=3e-3, weight_decay=0.0,
        schedule="cosine", num_test=options.test_images,
    )  # fmt: skip
    found = []
    with tempfile.TemporaryDirectory() as folder:
        run = train(recipe, output=folder)
        probe = load_model(f"trained:{run.folder}")
        for name, transformations in (("transforms", LEARNT), ("none", OTHERS)):
            data = task(30, transformations, options.images)
            splits = open_splits(Recipe(data, probe.spec, num_test=options.test_images))
            fitted, tested = (penultimate(probe, split) for split in splits[:2])
            ways = {LBFGS: lambda x, y: fit_logistic(x, y, num_classes=15)}
            for epochs in map(int, options.epochs.split(",")):
                ways[f"{ADAM}, {epochs} epochs"] = lambda x, y, epochs=epochs: fit_adam(
                    x, y, num_classes=15, epochs=epochs
                )
            right = {}
            for way, fit in ways.items():
                started = time.perf_counter()
                head = fit(fitted.values, fitted.labels)
                seconds = time.perf_counter() - started
                right[way] = (head.predict(tested.values) == tested.labels).double()
                apart = right[way] - right[LBFGS]
                half = 1.96 * float(apart.std()) / len(apart) ** 0.5
                found.append({
                    "target": name, "way": way, "accuracy": round(float(right[way].mean()), 4),
                    "minus_lbfgs": round(float(apart.mean()), 4), "half_interval": round(half, 4),
                    "seconds": round(seconds, 1),
                })  # fmt: skip
    about = {
        "objects": options.objects, "own_accuracy": run.accuracy, "threads":
        torch.get_num_threads(), "features": fitted.values.shape[1], "fitted_on":
        len(fitted.ids), "tested_on": len(tested.ids), "fits": found,
    }  # fmt: skip
    print(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
