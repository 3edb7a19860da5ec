"""The application `invariscope`: its subcommands, its version, its exit codes.

Exit codes: 0 done; 1 a rule of `check` or `improve` failed; 2 the input is wrong (one line: what,
where, what would work); 3 the run could not finish (and how to resume it).
"""

import os
import sys
from typing import Annotated

import typer

from invariscope.cli import (
    check,
    claims,
    class_effects,
    compare,
    export,
    factors,
    foregrounds,
    improve,
    listing,
    measure,
    report,
    study,
    train,
    view,
)
from invariscope.cli.flags import speak_of, with_flags
from invariscope.errors import InvariscopeError
from invariscope.files import disk_is_full
from invariscope.outside import visible
from invariscope.version import VERSION

app = typer.Typer(
    name="invariscope",
    help="Measure what vision models are invariant and equivariant to.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("measure")(measure.measure)
app.command("check")(check.check)
app.command("improve")(improve.improve)
app.command("train")(train.train)
app.command("compare")(compare.compare)
app.command("view")(view.view)
app.command("export")(export.export)
app.command("factors")(factors.factors)
app.command("class-effects")(class_effects.class_effects)
app.command("foregrounds")(foregrounds.foregrounds)
app.add_typer(study.app, name="study")
app.command("claims")(claims.claims)
app.command("report")(report.report)
app.command("list")(listing.list_names)
speak_of(app)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        print(f"invariscope {VERSION}")
        raise typer.Exit


def main() -> None:
    """Runs the command line and exits with its code."""
    try:
        code = app(standalone_mode=False)
    except InvariscopeError as problem:
        _complain(str(problem))
        code = problem.exit_code
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        sys.stdout = open(os.devnull, "w")
        code = 0
    except Exception as problem:
        if hasattr(problem, "format_message"):  # click's usage errors
            context = getattr(problem, "ctx", None)
            command = context.command_path if context else "invariscope"
            _complain(f"{problem.format_message()}; see {command} --help")
            code = 2
        else:
            code = _unforeseen(problem)
    sys.exit(code or 0)


def _unforeseen(problem: Exception) -> int:
    """Says that room ran out, or that this is a defect."""
    kept = "what was written is kept"
    if disk_is_full(problem) or _memory_ran_out(problem):
        reason = getattr(problem, "strerror", None) or "memory ran out"
        _complain(f"{reason}; {kept}: make room, then run the same command again")
    else:
        import traceback

        print(visible(traceback.format_exc(), lines=True), file=sys.stderr)
        _complain(f"this is a defect of invariscope; {kept}, please report it")
    return 3


def _memory_ran_out(problem: Exception) -> bool:
    if "torch" not in sys.modules:
        return isinstance(problem, MemoryError)
    from invariscope.devices import is_out_of_memory

    return is_out_of_memory(problem)


def _complain(text: str) -> None:
    print(f"invariscope: {visible(with_flags(' '.join(text.split())))}", file=sys.stderr)
