module simplemem.io/harness/pause

go 1.25.0
