package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
)

// An execution is written by hand as encoding/json would write it, whatever is
// in it and whatever is not. A field that is added to it and forgotten here
// fails this test.
func TestEncodeExecution(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		f := filler{rand.New(rand.NewPCG(seed, 1))}
		var x history.Execution
		f.fill(reflect.ValueOf(&x).Elem())
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(&x); err != nil {
			t.Fatal(err)
		}
		got, err := encode(&x)
		if err != nil || string(got) != want.String() {
			t.Fatalf("seed %d: %v\n%s\nwant\n%s", seed, err, got, &want)
		}
	}
}

// filler fills every field with some value, or leaves it as it is.
type filler struct{ *rand.Rand }

func (f filler) fill(v reflect.Value) {
	if f.IntN(5) == 0 {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.UnixMilli(1_700_000_000_000 + f.Int64N(1e9)).UTC()))
		return
	case json.RawMessage:
		v.SetBytes([]byte(fmt.Sprintf(`{"a":[%d,"x",null]}`, f.IntN(100))))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), f.IntN(3), 3))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{}))
		for range f.IntN(3) {
			v.SetMapIndex(reflect.ValueOf(f.text()), reflect.ValueOf(f.text()))
		}
	case reflect.String:
		v.SetString(f.text())
	case reflect.Int:
		v.SetInt(f.Int64N(1000))
	case reflect.Float64:
		v.SetFloat(float64(f.IntN(100)) / 10)
	default:
		panic("a field of a kind that the filler does not know: " + v.Type().String())
	}
}

func (f filler) text() string {
	return []string{"plain", `"quoted" \ `, "line\nbreak", "é…", "\x7f", ""}[f.IntN(6)]
}
