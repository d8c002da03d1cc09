#!/bin/sh
# Builds functions and layer with SAM into BUILT, under the Python that they will run on, and compiles them: in Lambda the folders
# are read-only, so what is not compiled here is compiled again at each cold start.
set -eu
built=${BUILT:-.aws-sam/build}
python=$(sh tools/find-python.sh 3.13) || {
    echo "The functions run on Python 3.13, and SAM builds the layer with it." >&2
    exit 1
}
PATH=$(dirname "$python"):$PATH
export PATH
# Caches of other tools inside the sources would be shipped.
find layers functions -type d \( -name __pycache__ -o -name .mypy_cache \) -prune -exec rm -rf {} +
echo "Building with $("$python" -V), which takes a minute or two the first time ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
env ${SAM} build --build-dir "$built" "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
}
# Not by time stamp but unchecked: the zip file changes the times.
"$python" -m compileall -q --invalidation-mode unchecked-hash "$built"
du -sk "$built"/*/ | awk '{ printf "%8d KiB  %s\n", $1, $2 }'
