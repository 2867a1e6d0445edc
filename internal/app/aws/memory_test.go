package aws

import "testing"

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size, own string
		want      int64
	}{
		{"1024", "", 912680550}, {"256", "", 228170137}, {"", "", 0}, {"much", "", 0}, {"1024", "500MiB", 0},
	} {
		vars := map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": c.size, "GOMEMLIMIT": c.own}
		if got := memoryLimit(func(name string) string { return vars[name] }); got != c.want {
			t.Errorf("of %q MB with GOMEMLIMIT %q: %d, want %d", c.size, c.own, got, c.want)
		}
	}
}
