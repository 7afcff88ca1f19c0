"""Metrics of captions: language, retrieval, distinctiveness, and how certain they are.

Import the submodules directly: this package imports nothing, so that training, which needs only
the retrieval ranks, does not depend on the Java-backed language metrics.
"""
