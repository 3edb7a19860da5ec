"""Calls every public function and prints what it has changed of the caller's world, as JSON.

    python callers_world.py CALL…     only these; without: all

A process of its own, since the type checker of the tests draws from Python's generator. It works in
the current folder.
"""

import contextlib
import faulthandler
import gc
import io
import json
import locale
import logging
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageFile

from damage import make_inputs
from public_calls import CALLS, made


def caller() -> dict[str, object]:
    """Everything of this process that is not ours."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    root = logging.getLogger()
    return {
        "torch's generator": torch.random.get_rng_state().numpy().tobytes(),
        "CUDA's generators": [
            torch.cuda.get_rng_state(k).numpy().tobytes() for k in range(torch.cuda.device_count())
        ],
        "NumPy's generator": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "Python's generator": random.getstate(),
        "environment": dict(os.environ),
        "warning filters": list(warnings.filters),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "threads that go on": sorted(
            one.name for one in threading.enumerate() if "AnyIO" not in one.name  # of no server
        ),
        "processes": multiprocessing.active_children(),
        "start of processes": multiprocessing.get_start_method(allow_none=True),
        "files of shared tensors": torch.multiprocessing.get_sharing_strategy(),
        "grad and inference mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "arithmetic": (
            torch.get_default_dtype(), torch.get_default_device(), torch.is_autocast_enabled("cpu"),
            torch.is_anomaly_enabled(), torch.get_float32_matmul_precision(), matmul.allow_tf32,
        ),
        "determinism": (
            torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark,
            cudnn.enabled, cudnn.allow_tf32,
        ),
        "matplotlib": (dict(mpl.rcParams), mpl.get_backend()),
        "handlers": (list(root.handlers), root.level, logging.root.manager.disable),
        "folder": os.getcwd(),
        "search path": list(sys.path),
        "hooks and streams": (sys.excepthook, sys.displayhook, sys.stdin, sys.__stdout__),
        "interpreter": (
            sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold(),
            faulthandler.is_enabled(), locale.setlocale(locale.LC_ALL), tempfile.tempdir,
        ),
        "pictures": (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
        "errors and display of NumPy": (np.geterr(), np.get_printoptions()),
        "display of pandas": [
            pd.get_option(f"display.{name}") for name in ("max_rows", "max_columns", "width")
        ],
    }  # fmt: skip


MODES = [(name, contextlib.nullcontext) for name in CALLS] + [
    (name, torch.inference_mode) for name in ("measure", "find_factors", "predict", "train")
]


def main() -> None:
    """Makes the calls; each gets a folder of its own."""
    start, changed = Path.cwd(), {}
    make_inputs(start)
    things = made(start)
    for name, mode in MODES:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        folder = start / f"{name} {mode.__name__}"
        folder.mkdir()
        shutil.copytree(start / "pictures", folder / "pictures")
        os.chdir(folder)
        said = io.StringIO()
        with mode(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            before = caller()
            CALLS[name](folder, things)
            after = caller()
        os.chdir(start)
        net = things["net"]
        moved = [key for key in before if before[key] != after[key]]
        moved += [] if net.training else ["the mode of the network"]
        moved += [f"prints {said.getvalue()[:200]}"] if said.getvalue() else []
        state = net.state_dict()
        moved += [key for key, old in things["state"].items() if not torch.equal(state[key], old)]
        changed[f"{name}, {mode.__name__}"] = moved
    print(json.dumps(changed))


if __name__ == "__main__":
    main()
