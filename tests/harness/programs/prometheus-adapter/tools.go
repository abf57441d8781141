//go:build tools

// Package programs pins the program that the test harness builds.
package programs

import _ "sigs.k8s.io/prometheus-adapter/cmd/adapter"
