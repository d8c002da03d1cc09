#!/bin/sh
# Installs pinned requirements into a virtual environment, which it makes if need be, and says so in one line:
# tools/venv.sh FOLDER REQUIREMENTS [editable]. One of another Python than PYTHON names is made anew. With "editable" the
# package of this repository is installed as well. pip's talk is shown only if it fails.
set -eu
folder=$1 requirements=$2 editable=${3:-}
echo "Installing $requirements into $folder ..."
python=$(sh tools/find-python.sh)
version='import sys; print("%d.%d" % sys.version_info[:2])'
if ! "$folder/bin/python" -c "import pip, sys; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1 ||
    { [ -n "${PYTHON:-}" ] && [ "$("$folder/bin/python" -c "$version")" != "$("$python" -c "$version")" ]; }; then
    rm -rf "$folder"
    "$python" -m venv "$folder"
fi
log=$folder/install.log
quiet_pip() {
    "$folder/bin/python" -m pip install --disable-pip-version-check --no-input "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        echo "Installing $requirements into $folder failed; what pip said is above." >&2
        exit 1
    }
}
quiet_pip -r "$requirements"
if [ -n "$editable" ]; then
    quiet_pip --no-deps -e .
fi
