"""`kubectl smem`: stores as the people see them who run them, by way of the Kubernetes API and with their own rights.

kubectl finds the program `kubectl-smem` on the PATH. It reads what the operator wrote into the status of the stores,
asks a store through a port-forward, and writes nothing into the cluster.
"""
