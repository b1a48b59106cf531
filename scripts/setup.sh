#!/bin/sh
# Makes the virtual environment with exactly the locked packages (hashes checked).
set -eu
PYTHON="${PYTHON:-python3}"
VENV="${VENV:-.venv}"
"$PYTHON" - <<'P' || exit 1
import sys
if sys.version_info < (3, 11):
    sys.exit(f"Merpati needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. Try: make PYTHON=python3.11")
P
echo "Setting up $VENV (about 150 MB of packages, once) ..."
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV" || {
  echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2
  exit 1
}
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch "$VENV/.ready"
echo "Ready: $VENV/bin/merpati --help"
