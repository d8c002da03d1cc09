"""The HTTP API: routes, schemas, problems. The CLI speaks the same routes, in process or over HTTP."""
