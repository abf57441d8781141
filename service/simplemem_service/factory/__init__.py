"""Builds the parts of a process; the only place that names concrete backends.

Called in a thread, since importing the libraries behind the parts takes seconds.
"""
