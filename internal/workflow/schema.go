package workflow

type schema struct{}
