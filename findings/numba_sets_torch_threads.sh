#!/usr/bin/env bash
# numba 0.68.1 beside torch 2.14.1 (Linux wheels): does a parallel function of numba leave torch's threads alone?
#
# The guess: two libraries, two pools of threads; `torch.set_num_threads(1)` holds. On Linux numba's default threading
# layer is OpenMP, and torch has loaded an OpenMP already: they share it. When numba starts its threads, before the
# first parallel function, it sets the number of threads of that OpenMP to its own, so torch computes with all cores
# from then on. `numba.set_num_threads(1)` does not take it back; `torch.set_num_threads(1)` does, once numba has begun.
#
# Seen: 2.14.1 0.68.1 | before 1 | after a parallel function 2 (omp) | after numba.set_num_threads(1) 2 | set again 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "torch==2.14.1" "numba==0.68.1" numpy
NUMBA_NUM_THREADS=2 "$folder/venv/bin/python" - <<'EOF'
import numba
import numpy as np
import torch

torch.set_num_threads(1)


@numba.njit(parallel=True)
def total(values):
    result = 0.0
    for index in numba.prange(len(values)):
        result += values[index]
    return result


seen = [torch.get_num_threads()]
total(np.ones(10))
seen.append(torch.get_num_threads())
numba.set_num_threads(1)
total(np.ones(10))
seen.append(torch.get_num_threads())
torch.set_num_threads(1)
total(np.ones(10))
seen.append(torch.get_num_threads())
print(
    torch.__version__.split("+")[0], numba.__version__,
    f"| before {seen[0]} | after a parallel function {seen[1]} ({numba.threading_layer()})",
    f"| after numba.set_num_threads(1) {seen[2]} | set again {seen[3]}",
)
assert seen == [1, 2, 2, 1] and numba.threading_layer() == "omp", "the behaviour has changed"
EOF
