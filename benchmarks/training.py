"""Whether the input pipeline keeps the network busy.

    python benchmarks/training.py                   # JSON on standard output
    python benchmarks/training.py --width 1 --batch 64 --augment RandomResizedCrop

Images a second of the training loop (choose, augment, normalise, step) ÷ images a second of the
same steps on one batch that lies in memory, ready to be taken. Both run in one process and
alternate, so that a slow minute of the machine hits both; the ratio is that of the minima.
resnet18 for 32 px on fashion-mnist, or on stamps.
"""

import argparse
import json
import statistics
import time

BAR = 0.9


def training_of(data: str, width: float, batch: int, augment: str, steps: int, size: int):
    """A training that is ready for so many steps, its images in memory."""
    from invariscope.training import Recipe
    from invariscope.training.prepare import accelerator_on, prepare

    recipe = Recipe(
        data,
        f"small:resnet18?width={width}",
        augment=augment,
        num_train=batch * steps,
        num_test=10,
        size=size,
        epochs=1,
        batch_size=batch,
        learning_rate=0.01,
    )
    return prepare(recipe, accelerator_on("auto", "no"))


def loop_seconds(training) -> float:
    """All steps of an epoch as `train` makes them."""
    from invariscope.training.loop import one_step

    training.iteration = 0
    started = time.perf_counter()
    for batch in training.images.batches(training.steps()):
        one_step(training, batch.pixels, batch.labels)
        training.iteration += 1
    return time.perf_counter() - started


def bare_seconds(training, steps: int) -> float:
    """As many steps on one normalised batch."""
    import torch

    training.iteration = 0
    batch = next(iter(training.images.batches(training.steps()[:1])))
    ready = training.preprocessing.normalise(batch.pixels)
    ready = ready.contiguous(memory_format=torch.channels_last)
    started = time.perf_counter()
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(training.model(ready), batch.labels)
        training.optimizer.zero_grad(set_to_none=True)
        training.accelerator.backward(loss)
        training.optimizer.step()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="fashion-mnist?split=train")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--augment", default="T.(30%) + RandomSizeCenterCrop")
    given = parser.parse_args()

    from invariscope.memory import keep_freed_memory

    keep_freed_memory()
    training = training_of(
        given.data, given.width, given.batch, given.augment, given.steps, given.size
    )
    loop_seconds(training)
    bare_seconds(training, 1)
    loops, bares = [], []
    for _ in range(given.rounds):
        bares.append(bare_seconds(training, given.steps))
        loops.append(loop_seconds(training))
    images = given.batch * given.steps
    found = {
        "augment": given.augment,
        "width": given.width,
        "images_per_second": round(images / min(loops), 1),
        "bare_images_per_second": round(images / min(bares), 1),
        "throughput_ratio": round(min(bares) / min(loops), 3),
        "median_of_rounds": round(
            statistics.median(b / a for a, b in zip(loops, bares, strict=True)), 3
        ),
        "bar": BAR,
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
