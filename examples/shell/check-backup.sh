#!/bin/sh
# An agent without a model: says whether the newest file of a folder is a backup of the last 26 hours.
# usage: check-backup.sh FOLDER   (the request comes on stdin, the answer goes to stdout)
set -eu
folder=${1:?usage: check-backup.sh FOLDER}
request=$(cat)

# Gives one field of the request, empty for null.
field() {
    if command -v jq >/dev/null 2>&1; then
        printf '%s' "$request" | jq -r --arg name "$1" '.[$name] // empty'
    else
        printf '%s' "$request" | python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]) or "")' "$1"
    fi
}

# Prints the answer: outcome, summary, verdict. Whatever stands in a file's name, it comes out as JSON.
answer() {
    if command -v jq >/dev/null 2>&1; then
        jq -nc --arg outcome "$1" --arg summary "$2" --arg verdict "$3" --arg evidence "$listing" \
            '{$outcome, $summary, report_md: $evidence} + if $verdict == "" then {} else {$verdict, $evidence} end'
    else
        python3 -c '
import json, sys
outcome, summary, verdict, evidence = sys.argv[1:]
said = {"outcome": outcome, "summary": summary, "report_md": evidence}
print(json.dumps(said | ({"verdict": verdict, "evidence": evidence} if verdict else {})))' "$1" "$2" "$3" "$listing"
    fi
}

# A verdict is only for those who asked for one.
verdict() {
    if [ -n "$(field done_when)" ]; then printf '%s' "$1"; fi
}

if ! listing=$(ls -lt -- "$folder" 2>&1); then
    answer failed "The folder of the backups cannot be read" "$(verdict cannot_tell)"
    exit 0
fi
listing=$(printf '%s\n' "$listing" | head -n 20)
fresh=$(find "$folder" -type f -size +0 -mmin -1560 | wc -l | tr -d ' ')
if [ "$fresh" -gt 0 ]; then
    answer succeeded "$fresh backups of the last 26 hours" "$(verdict met)"
else
    answer attention "No backup of the last 26 hours" "$(verdict not_met)"
fi
