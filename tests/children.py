"""Scripts in processes that are no copies of this one and start at once.

They are forks of a process without the type checker of the tests, which has imported what nearly
all of them want: imports alone would take five seconds of each. What is asked of a process that
nothing has begun in (which modules it loads, what its environment does) is not asked here.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

#: Not `metrics.fused`: a fork of a process that has it does without its compiled loops.
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        "timm", "matplotlib.pyplot", "torch._dynamo", "torchmetrics", "scipy.stats", "numba",
        "accelerate", "sklearn.datasets", "invariscope.training.loop",
        "invariscope.report.study.page",
    ]
)  # fmt: skip


class Child:
    """A script in a process of its own, killed at the end of a `with`.

    Args:
        script: The text of a program.
        arguments: Its `sys.argv[1:]`.
        said: A new folder for what it writes; what it says on standard output and error is there.
        environment: Variables that it has beside those of this process.
    """

    def __init__(
        self, script: str, *arguments: Any, said: Path, environment: Mapping[str, str] = {}
    ):
        said.mkdir(parents=True, exist_ok=True)
        self._out, self._err = said / "out.txt", said / "err.txt"
        self._process = FORKED.Process(
            target=_do,
            args=(
                script, [str(word) for word in arguments], Path.cwd(), self._out, self._err,
                {**os.environ, **environment}, [path for path in sys.path if path],
            ),
        )  # fmt: skip
        self._process.start()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def send(self, signal: int) -> None:
        """Sends it a signal."""
        os.kill(self.pid, signal)

    def ended(self, timeout: float = 120) -> tuple[int, str, str]:
        """Waits for its end: its exit code, or minus its signal; what it said on both streams."""
        self._process.join(timeout)
        code = self._process.exitcode
        assert code is not None, "it goes on"
        return code, self.out, self.err

    @property
    def out(self) -> str:
        """What it has said so far."""
        return self._out.read_text(encoding="utf-8") if self._out.exists() else ""

    @property
    def err(self) -> str:
        """What it has said so far on standard error."""
        return self._err.read_text(encoding="utf-8") if self._err.exists() else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()


def _do(
    script: str,
    arguments: list[str],
    folder: Path,
    out: Path,
    err: Path,
    environment: dict[str, str],
    paths: list[str],
) -> None:
    """In the child: what a fresh interpreter would make of the script."""
    for stream, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
    sys.argv = ["script", *arguments]
    exec(compile(script, "script", "exec"), {"__name__": "__main__"})
