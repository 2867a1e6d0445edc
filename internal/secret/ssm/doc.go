// Package ssm reads secrets from the AWS Systems Manager Parameter Store:
// parameters of the type SecureString under one prefix.
package ssm
