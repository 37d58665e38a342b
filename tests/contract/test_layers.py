"""Imports run one way, as the contracts in pyproject.toml say."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_imports_run_one_way() -> None:
    """The linter's own words name the import that runs up."""
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert linter is not None
    ran = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
