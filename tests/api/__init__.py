"""The API as a stranger meets it: asked over HTTP by what its OpenAPI document says."""
