#!/bin/sh
# Installs pinned requirements into a virtual environment, which it makes if need be, and says so in one line:
# tools/venv.sh FOLDER REQUIREMENTS [editable]. With "editable" the package of this repository is installed as well.
# pip's talk is shown only if it fails.
set -eu
folder=$1 requirements=$2 editable=${3:-}
echo "Installing $requirements into $folder ..."
if ! "$folder/bin/python" -c "import pip, sys; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1; then
    python=$(sh tools/find-python.sh)
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
