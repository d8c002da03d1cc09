#!/bin/sh
# Prints the path of a Python that really runs: tools/find-python.sh gives 3.11 or newer, tools/find-python.sh 3.13 just that.
# A name on PATH proves nothing: pyenv's shims exit with 127 for a version that is not chosen. PYTHON names one to try first.
set -u
if [ $# -gt 0 ]; then
    wanted="Python $1"
    names="${PYTHON:-} python$1 python3"
    fits="import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')"
else
    wanted="Python 3.11 or newer"
    names="${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11"
    fits="import sys; sys.exit(sys.version_info < (3, 11))"
fi
pyenv_root=${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")}
for name in $names "$pyenv_root"/versions/3.*/bin/python3; do
    path=$(command -v "$name" 2>/dev/null) || continue
    if "$path" -c "$fits" >/dev/null 2>&1; then
        echo "$path"
        exit 0
    fi
done
echo "Followups needs $wanted, and none runs here. Install one (https://www.python.org/downloads/, your package manager, or" \
    "pyenv), or name it: make PYTHON=/path/to/python3" >&2
exit 1
