//go:build tools

// Package programs pins the programs that the test harness builds.
package programs

import (
	_ "github.com/kedacore/keda/v2/cmd/adapter"
	_ "github.com/kedacore/keda/v2/cmd/operator"
)
