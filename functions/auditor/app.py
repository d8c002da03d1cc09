"""The auditor: wiring only. A wrong environment fails here, at the cold start, in words."""

from followups import bootstrap

handler = bootstrap.lambda_auditor()
