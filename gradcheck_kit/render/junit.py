"""A record as JUnit XML, in the form that Jenkins's xUnit plugin, GitLab and Azure read (junit-10.xsd)."""

import re
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from gradcheck_kit.record import Entry, Record
from gradcheck_kit.render.text import body
from gradcheck_kit.verdict import Verdict

SUITE = "gradcheck_kit"
# Characters that XML 1.0 cannot hold, not even escaped (section 2.2).
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(record: Record) -> str:
    """One test case a check: FAIL is a failure, INCONCLUSIVE an error, what was not run is skipped."""
    counts: dict[str, Any] = {
        "tests": str(len(record.subjects) + len(record.not_run)),
        "failures": str(record.count(Verdict.FAIL)),
        "errors": str(record.count(Verdict.INCONCLUSIVE)),
    }
    seconds = _seconds(sum(_cost(entry) for entry in record.subjects))
    root = Element("testsuites", name=SUITE, time=seconds, **counts)
    suite = SubElement(root, "testsuite", name=SUITE, time=seconds, skipped=str(len(record.not_run)), **counts)
    properties = SubElement(suite, "properties")
    for name, version in record.environment:
        SubElement(properties, "property", name=_clean(name), value=_clean(version))
    for entry in record.subjects:
        _case(suite, entry)
    for item in record.not_run:
        what, _, why = item.partition(": ")
        case = SubElement(suite, "testcase", name=_clean(what), classname=SUITE, time="0.000")
        SubElement(case, "skipped", message=_clean(why or what))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: Element, entry: Entry) -> None:
    name = f"{entry['name']} [{entry['dtype']}, {entry['device']}, {entry['oracle']}]"
    where = str(entry["where"])
    case = SubElement(suite, "testcase", name=_clean(name), classname=_clean(where), time=_seconds(_cost(entry)))
    said = _clean(body(entry))
    if entry["verdict"] == Verdict.PASS.value:
        SubElement(case, "system-out").text = said
        return
    kind = "failure" if entry["verdict"] == Verdict.FAIL.value else "error"
    headline = said.splitlines()[0]
    SubElement(case, kind, message=headline, type=_clean(_cause(entry))).text = said


def _cause(entry: Entry) -> str:
    """The slug of the first finding that did not pass, or its question."""
    found = next((f for f in entry["findings"] if f["verdict"] != Verdict.PASS.value), None)
    return "undecided" if found is None else str(found["cause"] or found["question"])


def _cost(entry: Entry) -> float:
    return float((entry.get("cost") or {}).get("seconds", 0.0))


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _clean(text: str) -> str:
    return FORBIDDEN.sub("�", text)
