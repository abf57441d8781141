"""A real Kubernetes on one machine, from packages only.

``build`` makes the programs from the Go modules in ``programs/``, ``control_plane`` runs an API server with its
controllers and needs no root, ``node`` adds a kubelet with containers, and ``images`` builds the product's images.
Only Python's standard library is used, since all this must run before any virtual environment exists.
"""
