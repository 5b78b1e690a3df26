"""Ready-made content: app packages and the sample company."""
