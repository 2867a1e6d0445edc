package ssm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/seed-926d1ba8/stepline/internal/secret"
)

// Store finds secrets below a prefix: with /stepline/prod the secret crm is the
// parameter /stepline/prod/crm.
type Store struct {
	client *ssm.Client
	prefix string
}

var _ secret.Store = (*Store)(nil)

// New makes a Store. The prefix must begin with a slash; one at its end makes
// no difference.
func New(cfg aws.Config, prefix string) (*Store, error) {
	prefix = strings.TrimRight(prefix, "/")
	if !strings.HasPrefix(prefix, "/") {
		return nil, errors.New("the prefix of secrets must be the beginning of a parameter's name, such as /stepline/prod")
	}
	return &Store{client: ssm.NewFromConfig(cfg), prefix: prefix}, nil
}

// Lookup is the value of a secret. A parameter of another type than SecureString
// is none: whoever may list parameters could read it. It does not become one by
// asking again, and Place says what is wanted.
func (s *Store) Lookup(ctx context.Context, name string) (string, bool, error) {
	out, err := s.client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(s.parameter(name)), WithDecryption: aws.Bool(true)})
	var missing *types.ParameterNotFound
	switch {
	case errors.As(err, &missing):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("read parameter %s: %w", s.parameter(name), err)
	case out.Parameter == nil || out.Parameter.Type != types.ParameterTypeSecureString:
		return "", false, nil
	}
	return aws.ToString(out.Parameter.Value), true, nil
}

// Place says where the secret would have to be put.
func (s *Store) Place(name string) string {
	return "the SecureString parameter " + s.parameter(name) + " of the Parameter Store"
}

func (s *Store) parameter(name string) string { return s.prefix + "/" + name }
