"""What only a GPU can tell: right numbers, memory that runs out, speed beside the bare network.

    benchmarks/gpu.sh --output found              # at most eight minutes on one GPU, JSON
    benchmarks/gpu.sh --device cpu --small        # the same sections, small, where there is none
    benchmarks/gpu.sh --section embeddings --section trace

Each section runs in a process of its own with a limit of time, so that one which fails or hangs
does not stop the others; what it found is written at once. A section is a list of bars: what was
measured, what is wanted, and whether it is met. A bar that only a GPU can miss says ``null`` on a
CPU; with ``--small`` speeds say nothing, and no bar of speed is judged.

- oracles: metrics on tensors against loops in float64 (`tests/oracles`);
- sweeps: a whole sweep with metrics of vectors, orbits, maps and derivatives, groups and controls,
  row by row against the same sweep on the CPU, with TF32 off (and with it, for information);
- resume: a run that is interrupted and goes on, byte by byte against one that was not;
- memory: all but a little of the memory is taken by someone else; batches halve themselves, and the
  numbers stay;
- embeddings, channels, transforms2d: speed, beside the bare forward pass in one process,
  alternating; trace: which operations take the time of the two.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

#: Seconds that each section may take: eight minutes together.
LIMITS = {
    "oracles": 40, "sweeps": 70, "resume": 40, "memory": 60, "embeddings": 110, "channels": 60,
    "transforms2d": 40, "trace": 60,
}  # fmt: skip
#: On a CPU nothing is in a hurry.
PATIENCE = 15


def environment(device: str, small: bool) -> dict:
    """Says where this runs."""
    import torch

    found = {
        "device": device,
        "small": small,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
    }
    if device.startswith("cuda"):
        about = torch.cuda.get_device_properties(device)
        found |= {
            "name": about.name,
            "memory_gib": round(about.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    else:
        found["note"] = "measured on a CPU: it shows that the sections run, not how fast a GPU is"
    return found


def run_section(name: str, device: str, small: bool, folder: Path | None) -> dict:
    """Runs a section in this process."""
    import gpu_checks
    import gpu_speed

    sections = {**gpu_checks.SECTIONS, **gpu_speed.SECTIONS}
    return sections[name](device, small, folder)


def apart(name: str, options: argparse.Namespace) -> dict:
    """Runs a section in a process of its own."""
    command = [sys.executable, __file__, "--only", name, "--device", options.device]
    command += ["--small"] * options.small
    command += [] if options.output is None else ["--output", str(options.output)]
    limit = LIMITS[name] * (1 if options.device.startswith("cuda") else PATIENCE)
    started = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"it took more than {limit} s", "seconds": limit}
    seconds = round(time.perf_counter() - started, 1)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return {"failed": lines[-1], "stderr": lines[-12:], "seconds": seconds}
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "seconds": seconds}


def main() -> None:
    """Runs the sections and prints JSON; exit 1 if a section failed or missed a bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="few small images, small networks")
    parser.add_argument("--section", action="append", choices=LIMITS, help="default: all")
    parser.add_argument("--output", type=Path, help="folder for gpu.json and the traces")
    parser.add_argument("--only", choices=[*LIMITS, "environment"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
    if options.only == "environment":
        print(json.dumps(environment(options.device, options.small)))
        return
    if options.only:
        found = run_section(options.only, options.device, options.small, options.output)
        print(json.dumps(found))
        return
    alone = [sys.executable, __file__, "--only", "environment", "--device", options.device]
    told = subprocess.run(
        alone + ["--small"] * options.small, capture_output=True, text=True, check=False
    )
    if told.returncode:
        sys.exit(told.stderr.strip().splitlines()[-1])
    results = {"environment": json.loads(told.stdout)}
    for name in options.section or LIMITS:
        results[name] = apart(name, options)
        print(f"{name}: {verdict(results[name])}", file=sys.stderr, flush=True)
        if options.output is not None:
            written = options.output / "gpu.json.part"
            written.write_text(json.dumps(results, indent=2) + "\n")
            os.replace(written, options.output / "gpu.json")
    print(json.dumps(results, indent=2))
    sections = [results[name] for name in options.section or LIMITS]
    sys.exit(any("failed" in s or not all_met(s) for s in sections))


def all_met(section: dict) -> bool:
    """Says whether no bar of a section is missed."""
    return all(bar["met"] is not False for bar in section.get("bars", []))


def verdict(section: dict) -> str:
    """Says in a line how a section ended."""
    if "failed" in section:
        return f"failed after {section['seconds']} s: {section['failed']}"
    missed = [bar["what"] for bar in section["bars"] if bar["met"] is False]
    told = f"missed: {', '.join(missed)}" if missed else "no bar missed"
    return f"{section['seconds']} s, {told}"


if __name__ == "__main__":
    main()
