"""Builds a virtual environment from the hashed locks and installs the project into it, editable.

Owns the folder that it is given (`.venv` unless told otherwise) and a stamp inside of it; a second run with the same
inputs does nothing. It uses nothing but the standard library of the interpreter that runs it, and it does not choose
that interpreter (`scripts/find-python` does) nor resolve versions (`make lock` does).
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = [ROOT / "requirements" / name for name in ("runtime.txt", "dev.txt", "installer.txt")]
INPUTS = [*LOCKS, ROOT / "requirements" / "runtime.in", ROOT / "pyproject.toml", Path(__file__).resolve()]
STAMP = "setuplinks.stamp"


def fingerprint() -> str:
    """One hash over all that the environment is made from, the interpreter and the project's place included."""
    digest = hashlib.sha256()
    digest.update(repr((sys.version, os.path.realpath(sys.executable), str(ROOT))).encode())
    for path in INPUTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def create(folder: Path) -> None:
    """Makes an empty environment, with pip in it."""
    made = run([sys.executable, "-m", "venv", "--clear", str(folder)], quiet=True)
    if made == 0:
        return
    # Debian keeps ensurepip in a package of its own, and fails only after the folder was made.
    package = "python3-venv"
    if run([str(ROOT / "scripts" / "system-packages"), package]) == 0:
        made = run([sys.executable, "-m", "venv", "--clear", str(folder)])
    if made != 0:
        sys.exit(f"{sys.executable} cannot make a virtual environment; install {package} and run this again.")


def install(folder: Path) -> None:
    """Installs exactly what the locks say, then the project itself without looking at its dependencies."""
    python = str(folder / "bin" / "python")
    uv = str(folder / "bin" / "uv")
    locks = [str(path) for path in LOCKS]
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    hashed = [argument for lock in locks for argument in ("--require-hashes", "-r", lock)]
    project = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    # uv takes seconds but does not read pip's settings; where only pip knows the way to a mirror, pip does it all.
    into = {"VIRTUAL_ENV": str(folder)}
    fast = run([*pip, "--require-hashes", "-r", str(LOCKS[-1])], quiet=True) == 0 and (
        run([uv, "pip", "sync", "--quiet", "--system-certs", "--require-hashes", *locks], quiet=True, extra=into) == 0
    )
    if not fast and run([*pip, *hashed]) != 0:
        sys.exit("The locked packages could not be installed; what pip said stands above.")
    if run([*pip, *project]) != 0:
        sys.exit("The project itself could not be installed; what pip said stands above.")


def run(command: list[str], *, quiet: bool = False, extra: dict[str, str] | None = None) -> int:
    """Runs a program without stdin and returns its exit code; `quiet` keeps what it prints to itself."""
    sink = subprocess.DEVNULL if quiet else None
    # Another active environment must not leak in: it would decide where packages go.
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONHOME"}}
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env={**kept, **(extra or {})}, check=False
        ).returncode
    except OSError:
        return 127


def main() -> None:
    """Brings the environment to what the locks say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=".venv", help="where the environment stands, from the project's root")
    folder = (ROOT / parser.parse_args().folder).resolve()
    scratch = ROOT / ".make"
    scratch.mkdir(exist_ok=True)
    with open(scratch / f"{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once would build into each other
        wanted = fingerprint()
        stamp = folder / STAMP
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        if folder.exists() and not (folder / "pyvenv.cfg").exists() and any(folder.iterdir()):
            sys.exit(f"{folder} is there and is no virtual environment; move it away and run this again.")
        print(f"Building {folder.name} with Python {sys.version.split()[0]} from the locked requirements.", flush=True)
        stamp.unlink(missing_ok=True)
        if not usable(folder):
            shutil.rmtree(folder, ignore_errors=True)
            create(folder)
        install(folder)
        stamp.write_text(wanted)


def usable(folder: Path) -> bool:
    """True where the environment runs this very interpreter and has pip, so that syncing it is enough."""
    python = folder / "bin" / "python"
    question = "import os, pip, sys; print(sys.version, os.path.realpath(sys._base_executable), sep='|')"
    try:
        answer = subprocess.run([str(python), "-c", question], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer.strip() == "|".join((sys.version, os.path.realpath(sys.executable)))


if __name__ == "__main__":
    main()
