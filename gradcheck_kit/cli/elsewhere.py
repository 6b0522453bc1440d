"""Where a module lies that the current directory does not lead to."""

from pathlib import Path

ABOVE = 4  # directories above the current one


def lies_elsewhere(name: str) -> str:
    """What to type for a module that is in a directory above or right below the current one; empty where it is not."""
    here, way = Path.cwd(), Path(*name.split("."))
    below = sorted(folder for folder in here.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    for folder in (*below, *list(here.parents)[:ABOVE]):
        if folder.joinpath(way).with_suffix(".py").is_file() or (folder / way).is_dir():
            return f"it is in {folder}: go there, or set PYTHONPATH to that"
    return ""
