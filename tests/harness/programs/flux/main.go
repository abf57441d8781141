// Command flux-health tells how Flux judges objects by the expressions of a Kustomization, with Flux's own evaluator.
//
// It reads {"expressions": {"current": "...", "failed": "..."}, "objects": [...]} and writes one word a line: Current,
// InProgress, Failed, or Error where an expression names what the object lacks, which Flux takes for not there yet.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
)

type input struct {
	Expressions kustomize.HealthCheckExpressions `json:"expressions"`
	Objects     []map[string]any                 `json:"objects"`
}

func main() {
	if err := judge(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(from io.Reader, to io.Writer) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	var asked input
	// Kubernetes' own reader: a whole number must be an integer, as it is in the controller.
	if err := json.Unmarshal(text, &asked); err != nil {
		return err
	}
	evaluator, err := cel.NewStatusEvaluator(&asked.Expressions)
	if err != nil {
		return err
	}
	for _, object := range asked.Objects {
		word := "Error"
		if found, err := evaluator.Evaluate(context.Background(), &unstructured.Unstructured{Object: object}); err == nil {
			word = string(found.Status)
		}
		if _, err := fmt.Fprintln(to, word); err != nil {
			return err
		}
	}
	return nil
}
