"""REST ``/api/v1``: bearer tokens, problem+json, cursors, idempotency keys, OpenAPI 3.1."""
