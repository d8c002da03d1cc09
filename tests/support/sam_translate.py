"""What SAM makes of a template, as AWS does it at a deployment.

Run by the Python of `.tools/ministack`, which has the translator: reads {"template": …, "parameters": …} and writes the
translated template, both as JSON.
"""

import json
import sys

from samtranslator.translator.transform import transform


class _NoManagedPolicies:
    """The template names none of AWS's own policies."""

    def load(self) -> dict[str, str]:
        return {}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(transform(asked["template"], asked["parameters"], _NoManagedPolicies()), sys.stdout)
