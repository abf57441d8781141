//go:build tools

// Package programs pins the program that the test harness builds.
package programs

import _ "sigs.k8s.io/metrics-server/cmd/metrics-server"
