"""One check of a record as HTML: the verdict in a line, and behind it all that is known."""

from collections.abc import Iterable, Mapping
from typing import Any

from gradcheck_kit.render.html_document import table
from gradcheck_kit.render.html_figures import figures_of
from gradcheck_kit.render.svg import text

MARKS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?"}
FACTS = ("where", "oracle", "library", "device", "dtype", "reference", "require", "resolution", "seed")


def verdict(name: str) -> str:
    """A verdict by its mark and its word, so that it needs no colour."""
    return f'<span class="verdict {text(name)}">{MARKS.get(name, "?")} {text(name)}</span>'


def subject(entry: Mapping[str, Any]) -> str:
    """A `<details>`, open unless it passed."""
    opened = "" if entry["verdict"] == "PASS" else " open"
    facts = " · ".join(str(entry[key]) for key in ("oracle", "dtype", "device") if entry.get(key))
    if entry.get("resolution") is not None:
        facts += f" · sees {number(entry['resolution'])}"
    head = f'{verdict(entry["verdict"])}<span class="name">{text(entry["name"])}</span>'
    inside = f'<div class="inside">{"".join(_inside(entry))}</div>'
    return f'<details{opened}><summary>{head}<span class="facts">{text(facts)}</span></summary>{inside}</details>'


def _inside(entry: Mapping[str, Any]) -> Iterable[str]:
    facts = {key: entry.get(key) for key in FACTS if key != "where" or entry.get(key) != entry["name"]}
    yield facts_list(facts | {"cost": _cost(entry), "backward": _source(entry)})
    if entry.get("raised"):
        yield f'<h3>raised</h3><pre class="message">{text(entry["raised"])}</pre>'
    for finding in entry.get("findings") or ():
        if finding["verdict"] != "PASS":
            yield _finding(finding)
    figures = [picture for figure in entry.get("figures") or () for picture in figures_of(figure)]
    if figures:
        yield f'<h3>figures</h3><div class="figures">{"".join(figures)}</div>'
    lines = _lines(entry)
    if lines:
        yield f"<h3>to repeat it</h3><pre>{text(lines)}</pre>"
    passed = [f for f in entry.get("findings") or () if f["verdict"] == "PASS"]
    if passed:
        yield _passed(passed)
    if entry.get("not_asked"):
        yield f"<h3>not asked</h3><p>{text('; '.join(entry['not_asked']))}</p>"


def _finding(finding: Mapping[str, Any]) -> str:
    index = "" if finding["index"] is None else f"[{', '.join(map(str, finding['index']))}]"
    facts = facts_list(
        {
            "input": finding["input"],
            "element": f"{finding['input']}{index}" if index else None,
            "backward": _exactly(finding["analytic"]),
            "derivative": _beside(finding),
            "cause": finding["cause"],
        }
    )
    head = f"{verdict(finding['verdict'])} {text(finding['question'])}"
    return f'<h3>{head}</h3>{facts}<pre class="message">{text(finding["message"])}</pre>'


def _beside(finding: Mapping[str, Any]) -> str | None:
    if finding["numeric"] is None:
        return None
    error = "" if finding["error"] is None else f" ± {number(finding['error'])}"
    return f"{_exactly(finding['numeric'])}{error}"


def _passed(findings: Iterable[Mapping[str, Any]]) -> str:
    rows = ((", ".join(filter(None, (f["question"], f["input"]))), f["message"]) for f in findings)
    return f"<h3>passed</h3>{table(('question', 'answer'), rows)}"


def _lines(entry: Mapping[str, Any]) -> str:
    """What to paste: of a search the lines of its failing input, else those of the check."""
    for key in ("exploration", "reproduction"):
        held = entry.get(key)
        if held and held["lines"]:
            return "\n".join(held["lines"])
    return ""


def _cost(entry: Mapping[str, Any]) -> str | None:
    cost = entry.get("cost")
    if not cost:
        return None
    return f"{cost['forward']} forward + {cost['vjp']} backward evaluations, {number(cost['seconds'])} s"


def _source(entry: Mapping[str, Any]) -> str | None:
    source = entry.get("source")
    return None if not source else f"{source['file']}:{source['line']} {source['name']}"


def facts_list(facts: Mapping[str, Any]) -> str:
    """Those that are known."""
    known = [(name, value) for name, value in facts.items() if value not in (None, "")]
    pairs = (f"<div><dt>{text(name)}</dt><dd>{text(_plain(value))}</dd></div>" for name, value in known)
    return f"<dl>{''.join(pairs)}</dl>"


def _plain(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def number(value: Any) -> str:
    """Two digits; a number that was not finite is its name already."""
    return f"{value:.2g}" if isinstance(value, int | float) else str(value)


def _exactly(value: Any) -> str | None:
    return None if value is None else f"{value:.12g}" if isinstance(value, int | float) else str(value)
