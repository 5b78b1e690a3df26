"""Forms and fields as metadata, records (the write path), query (the read path), conditions (the compiler)."""
