"""One question a file, all of one signature: `ask(examination) -> list[Finding]`."""
