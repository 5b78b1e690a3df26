"""Events: what customers do on channels, the live sessions they do it in, and the figures that come of both."""
