"""Installs the JavaScript packages of `tests/clients/javascript` from their lock, by the npm of the environment.

Owns that folder's `node_modules` and a stamp inside of it; a second run with the same lock does nothing. With `--lock`
it resolves the versions anew instead. Where npm cannot reach its registry the rest of the project still works: it says
so in a line and lets `make setup` go on; the tests that need the packages say it again.
"""

import argparse
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "clients" / "javascript"
LOCK = FOLDER / "package-lock.json"
STAMP = FOLDER / "node_modules" / "setuplinks.stamp"
BIN = Path(sys.executable).parent
SECONDS = 300


def fingerprint() -> str:
    """One hash over all that the folder is made from."""
    digest = hashlib.sha256(str(FOLDER).encode())
    for path in (FOLDER / "package.json", FOLDER / ".npmrc", LOCK):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def npm(*arguments: str) -> str | None:
    """Runs npm in the folder; None where it went well, else the beginning of what it said: the rest is advice."""
    # npm looks for `node` by name: that of the environment comes first, whatever else the machine has.
    environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "1"}
    try:
        done = subprocess.run(
            [str(BIN / "npm"), *arguments, "--loglevel=error"], cwd=FOLDER, env=environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else "\n".join(done.stdout.strip().splitlines()[:5])


def install() -> None:
    """Brings `node_modules` to what the lock says."""
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    print("Installing the JavaScript packages of the tests from their lock.", flush=True)
    if (failed := npm("ci")) is not None:
        print(f"They could not be installed; what asks for them will not run. npm said:\n{failed}", file=sys.stderr)
        return
    STAMP.write_text(wanted)


def resolve(*, upgrade: bool) -> None:
    """Writes the lock: versions and hashes, no addresses."""
    if upgrade:
        LOCK.unlink(missing_ok=True)
    if (failed := npm("install", "--package-lock-only")) is not None:
        sys.exit(f"The JavaScript packages could not be resolved. npm said:\n{failed}")
    lock = json.loads(LOCK.read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)  # an address of somebody's page, of no use to an installation
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")


def main() -> None:
    """Installs, or resolves with `--lock`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", action="store_true", help="resolve the versions anew and write the lock")
    parser.add_argument("--upgrade", action="store_true", help="with --lock: move every version forward")
    options = parser.parse_args()
    scratch = ROOT / ".make"
    scratch.mkdir(exist_ok=True)
    with open(scratch / "javascript.lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # two `make` at once would install into each other
        if options.lock:
            resolve(upgrade=options.upgrade)
        install()


if __name__ == "__main__":
    main()
