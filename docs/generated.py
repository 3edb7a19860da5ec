"""Makes the site's pages of metrics, studies and the API from what the program knows of them.

`conf.py` calls `make_pages` before the site is built. A metric's page has the words and facts that
a run's manifest records, and the docstring of its module; a study's has its docstring, the claims
that it computes, and its section of `results/laptop.md` as it stands. Nothing is written twice.
"""

import inspect
import re
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import invariscope
import invariscope.metrics  # its metrics register themselves
from invariscope.metrics.kinds import METRICS, Metric
from invariscope.studies.claims import CLAIMS, PAPERS
from invariscope.studies.lab.study import Study, studies

RESULTS = Path(__file__).parent / "results" / "laptop.md"
UNITS = {"level": "that of the level", "derivative": "per squared unit of the motion", "none": "–"}
NEEDS = {
    "": "–",
    "targets": "labels that stand for outputs of the model",
    "classes": "labels",
    "group": "a group (`--groups`)",
}


def make_pages(folder: Path) -> list[Path]:
    """Writes `metrics/`, `studies/` and `api/` into a folder, and deletes older pages there."""
    pages = {**_metric_pages(), **_study_pages(), **_api_page()}
    for part in ("metrics", "studies", "api"):
        (folder / part).mkdir(exist_ok=True)
        for old in (folder / part).glob("*.md"):
            if f"{part}/{old.name}" not in pages:
                old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return [folder / name for name in pages]


def group_of(name: str) -> str:
    """The page that a metric stands on: its forms (`:l2`, `:cosine`, …) share one."""
    return name.partition(":")[0]


def _metric_pages() -> dict[str, str]:
    groups: dict[str, list[Metric]] = {}
    for name in sorted(METRICS):
        groups.setdefault(group_of(name), []).append(METRICS.get(name))
    rows = [
        [f"[{forms[0].label}]({group}.md)", forms[0].where, forms[0].direction]
        for group, forms in groups.items()
    ]
    text = (
        "# Metrics\n\nWhat `--metrics` takes, a page for each with its forms. Their numbers come"
        " with intervals: [how sure](../statistics.md).\n\n"
        + _table(["metric", "where", "which way"], rows)
        + _toctree(groups)
    )
    pages = {group: _metric_page(group, forms) for group, forms in groups.items()}
    return {f"metrics/{name}.md": page for name, page in {"index": text, **pages}.items()}


def _metric_page(group: str, forms: list[Metric]) -> str:
    text = f"# {forms[0].label}\n\n    invariscope measure MODEL --metrics {forms[0].name}\n"
    for metric in forms:
        facts = metric.as_dict()
        text += f"\n## `{metric.name}`\n\n"
        text += "" if metric is forms[0] else f"**{facts['label']}.** "
        text += f"{facts['paragraph']}\n\n" + _table(["", ""], _facts(metric))
    pooled = ["channel_correlation"] if any(metric.pooled for metric in forms) else []
    for module in (group, *pooled):
        name = f"invariscope.metrics.{module}"
        if find_spec(name) is None:  # a metric of another package
            continue
        title, body = _docstring(name)
        text += f"\n## In full\n\n(`{name}`) {title}\n\n{body}\n"
    return text


def _facts(metric: Metric) -> list[list[str]]:
    facts = metric.as_dict()
    low, high = facts["range"]
    ends = [end for end in facts["ends"] if end]
    rows = {
        "which way": facts["direction"],
        "range": ("(−∞" if low is None else f"[{low:g}").replace("-", "−")
        + ", "
        + ("∞)" if high is None else f"{high:g}]"),
        "worst to best": " → ".join(ends) or "–",
        "measured at": metric.where,
        "needs": NEEDS[facts["needs"]],
        "unit": UNITS[facts["unit"]],
        "estimate": f"{facts['estimate']} ([what that means](../statistics.md))"
        + (", pseudo-values of a number over the whole data set" if facts["pooled"] else "")
        + (", each image paired with the next" if facts["paired"] else ""),
        "mean over levels": "with level 0" if facts["at_identity"] else "without level 0",
        "unrelated images score": facts["null"] or "–",
        "measured with it": ", ".join(f"`{name}`" for name in metric.brings) or "–",
        "source": facts["source"] or "ours",
    }
    return [[fact, str(value)] for fact, value in rows.items()]


def _study_pages() -> dict[str, str]:
    known = studies()
    rows = [[f"[{name}]({name}.md)", study.paper, study.question] for name, study in known.items()]
    papers = "; ".join(f"{number}: {subject}" for number, subject in PAPERS.items())
    text = (
        f"# Studies\n\nExperiments of four papers ({papers}), each one command:"
        " `invariscope study run NAME`. What they found on two cores is on their pages, and all of"
        " it in [the results](../results/laptop.md).\n\n"
        + _table(["study", "paper", "question"], rows)
        + _toctree(["../repeat", "../results/laptop", *known])
    )
    sections = _sections(RESULTS.read_text(encoding="utf-8"))
    pages = {name: _study_page(study, sections) for name, study in known.items()}
    return {f"studies/{name}.md": page for name, page in {"index": text, **pages}.items()}


def _study_page(study: Study, sections: dict[str, str]) -> str:
    title, body = _docstring(study.function.__module__)
    claims = [
        [claim.id, f"§{claim.section}", claim.statement, claim.rule]
        for claim in CLAIMS.values()
        if claim.study == study.name
    ]
    found = sections.get(study.name)
    return (
        f"# {study.name}\n\n{title}\n\n{body}\n\n"
        f"**The paper's finding**: {study.expected}\n\n## What it takes\n\n"
        + _table(["preset", "cost"], [[preset, cost] for preset, cost in study.cost.items()])
        + "\n## The claims that it decides\n\n"
        + (_table(["claim", "where", "what is claimed", "rule"], claims) if claims else "None.\n")
        + "\n## What two cores found\n\n"
        + (f"{sections['']}\n\n{found}\n" if found else "Not run with the preset laptop.\n")
    )


def _api_page() -> dict[str, str]:
    """A page of all public names: packages with what they offer, functions, classes."""
    text = "# Python\n\nWhat `import invariscope` offers; all of it is loaded on first use.\n"
    for name in invariscope.__all__:
        thing = getattr(invariscope, name)
        if inspect.isfunction(thing):
            kind = "function"
        elif inspect.isclass(thing):
            kind = "class"
        elif inspect.ismodule(thing):
            kind = "module"
        else:  # the version
            continue
        members = "" if kind == "function" else "   :members:\n"
        text += f"\n## `{name}`\n\n```{{eval-rst}}\n"
        text += f".. auto{kind}:: invariscope.{name}\n{members}```\n"
    return {"api/index.md": text}


def _sections(text: str) -> dict[str, str]:
    """The sections of the results, by study; under "" what their head says of all of them."""
    head, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    found = {"": head.split("\n", 1)[1].strip().split("\n\n")[0]}
    for part in parts:
        title, _, body = part.partition("\n")
        found[title.split()[0]] = re.sub(r"^#", "##", body.strip(), flags=re.MULTILINE)
    return found


def _docstring(module: str) -> tuple[str, str]:
    """The first line of a module's docstring, and the rest; what is indented there is code."""
    title, _, body = inspect.cleandoc(import_module(module).__doc__ or "").partition("\n")
    return title, body.strip("\n")


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    return line(heads) + "|" + "---|" * len(heads) + "\n" + "".join(line(row) for row in rows)


def _toctree(names: Iterable[str]) -> str:
    return "\n```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"
