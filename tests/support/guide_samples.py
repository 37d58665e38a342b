"""The guides' samples, by the name of the file that each begins with."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
SAMPLE_NAME = re.compile(r"(?:#|//|<\?php //) (\w+\.(?:py|mjs|php|sh))\n")


def samples_of(guide: str) -> dict[str, str]:
    """The samples of one guide that begin with the name of a file."""
    found = {}
    for _, text in FENCE.findall((GUIDES / guide).read_text(encoding="utf-8")):
        if name := SAMPLE_NAME.match(text):
            found[name[1]] = text
    return found


def loaded(folder: Path, guide: str, name: str) -> ModuleType:
    """A Python sample as a module, from a file in `folder`."""
    path = folder / name
    path.write_text(samples_of(guide)[name], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
