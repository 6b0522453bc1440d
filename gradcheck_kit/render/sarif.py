"""A record as SARIF 2.1.0 (OASIS standard, 27 March 2020): a result for each finding that did not pass."""

import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from gradcheck_kit import __version__
from gradcheck_kit.record import Entry, Record
from gradcheck_kit.render.text import body
from gradcheck_kit.verdict import Verdict

VERSION = "2.1.0"
SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Verdict.FAIL.value: "error", Verdict.INCONCLUSIVE.value: "warning"}
ROOT = "%SRCROOT%"
Json = dict[str, Any]


def sarif(record: Record) -> str:
    """One run, with a rule for each cause (or question, where no cause is known)."""
    results = [result for entry in record.subjects for result in _results(entry)]
    rules = sorted({result["ruleId"] for result in results})
    for result in results:
        result["ruleIndex"] = rules.index(result["ruleId"])
    driver = {"name": "gradcheck_kit", "version": __version__, "rules": [_rule(name) for name in rules]}
    notes = [{"level": "note", "message": {"text": f"not run: {item}"}} for item in record.not_run]
    run: Json = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {"verdict": record.verdict.value, "environment": dict(record.environment)},
    }
    log = {"$schema": SCHEMA_URI, "version": VERSION, "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rule(name: str) -> Json:
    words = name.replace("-", " ")
    return {"id": name, "shortDescription": {"text": f"a gradient check failed or could not be decided: {words}"}}


def _results(entry: Entry) -> list[Json]:
    if entry["verdict"] == Verdict.PASS.value:
        return []
    found = [finding for finding in entry["findings"] if finding["verdict"] != Verdict.PASS.value]
    told = [
        _result(entry, f["cause"] or f["question"], f["verdict"], f"{entry['name']}: {f['message']}", f["input"] or "")
        for f in found
    ]
    return told or [_result(entry, "raised" if entry.get("raised") else "undecided", entry["verdict"], body(entry), "")]


def _result(entry: Entry, rule: str, verdict: str, message: str, name: str) -> Json:
    """One finding; it is the same in the next run where check, input and rule are."""
    result: Json = {
        "ruleId": rule,
        "level": LEVELS[verdict],
        "message": {"text": message},
        "partialFingerprints": {"check/v1": f"{entry['where']}|{entry['name']}|{name}|{rule}"},
    }
    source = entry.get("source")
    if source is not None:
        result["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": _artifact(source["file"]),
                    "region": {"startLine": source["line"]},
                },
                "logicalLocations": [{"fullyQualifiedName": source["name"], "kind": "function"}],
            }
        ]
    return result


def _artifact(file: str) -> Json:
    path = PurePath(file)
    return {"uri": path.as_uri()} if path.is_absolute() else {"uri": quote(path.as_posix()), "uriBaseId": ROOT}
