//go:build tools

// Package programs pins the program that the test harness builds.
package programs

import _ "github.com/argoproj/argo-cd/v3/cmd"
