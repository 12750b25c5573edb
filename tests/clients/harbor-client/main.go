// Program harbor-client calls a management API through the client that the Harbor project generates from Harbor's
// OpenAPI document, so that what this client refuses to read fails a test.
//
// It reads requests from its standard input, one JSON object a line, and answers each with one line on its standard
// output. It ends with the input; a request that is not one the client can make ends it at once, with an error.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"reflect"

	"github.com/go-openapi/runtime"
	openapi "github.com/go-openapi/runtime/client"
	"github.com/go-openapi/strfmt"
	"github.com/goharbor/go-client/pkg/harbor"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client"
)

// A request names an operation by its id in Harbor's document, with an upper first letter: "ListProjects".
type request struct {
	URL       string `json:"url"`
	Username  string `json:"username"` // empty for anonymous
	Password  string `json:"password"`
	Operation string `json:"operation"`
	// Params holds the fields of the operation's parameters in Go: {"ProjectNameOrID": "library", "Role": {"role_id": 2}}.
	Params json.RawMessage `json:"params"`
}

// An answer is what the client made of the server's answer.
type answer struct {
	// Status is 0 where the client got no answer that Harbor's document has for the operation.
	Status int `json:"status"`
	// Value holds the answer's headers and, as Payload, its body, in the fields of the client's type.
	Value any `json:"value,omitempty"`
	// Error says why the client could not read the answer, or how the body breaks the document's rules.
	Error string `json:"error,omitempty"`
}

func main() {
	log.SetFlags(0)
	if err := serve(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func serve(input io.Reader, output io.Writer) error {
	requests, answers := json.NewDecoder(bufio.NewReader(input)), json.NewEncoder(output)
	requests.DisallowUnknownFields()
	for {
		var asked request
		if err := requests.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		got, err := call(asked)
		if err != nil {
			return fmt.Errorf("%s: %w", asked.Operation, err)
		}
		if err := answers.Encode(got); err != nil {
			return err
		}
	}
}

// call finds the operation among the services of the client, and the type of its parameters in its signature:
// func (*Client) ListProjects(context.Context, *ListProjectsParams) (*ListProjectsOK, error).
func call(asked request) (answer, error) {
	api, err := connect(asked)
	if err != nil {
		return answer{}, err
	}
	operation, err := find(api, asked.Operation)
	if err != nil {
		return answer{}, err
	}
	params := reflect.New(operation.Type().In(1).Elem())
	if err := decode(asked.Params, params.Interface()); err != nil {
		return answer{}, err
	}
	results := operation.Call([]reflect.Value{reflect.ValueOf(context.Background()), params})
	failure, _ := results[len(results)-1].Interface().(error)
	if failure != nil {
		return describeFailure(failure), nil
	}
	// An operation with two good answers returns both, one of them nil.
	for _, result := range results[:len(results)-1] {
		if !result.IsNil() {
			return describe(result.Interface()), nil
		}
	}
	return answer{Error: "the client returned neither an answer nor an error"}, nil
}

func connect(asked request) (*client.HarborAPI, error) {
	server, err := url.Parse(asked.URL)
	if err != nil {
		return nil, err
	}
	config := harbor.Config{URL: server}
	if asked.Username != "" {
		config.AuthInfo = openapi.BasicAuth(asked.Username, asked.Password)
	}
	return client.New(config.ToV2Config()), nil
}

func find(api *client.HarborAPI, name string) (reflect.Value, error) {
	services := reflect.ValueOf(api).Elem()
	for i := range services.NumField() {
		operation := services.Field(i).MethodByName(name)
		// Services have other methods as well, and operations that write a file take a writer as a third argument.
		if operation.IsValid() && operation.Type().NumIn() == 2 && operation.Type().NumOut() >= 2 {
			return operation, nil
		}
	}
	return reflect.Value{}, errors.New("no such operation")
}

// decode refuses a parameter that the operation does not have, which a test would otherwise believe to be sent.
func decode(params json.RawMessage, into any) error {
	if len(params) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(params))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// coded is each answer that Harbor's document has for an operation, the refusals too.
type coded interface{ IsCode(int) bool }

func describeFailure(failure error) answer {
	var undocumented *runtime.APIError
	if _, documented := failure.(coded); !documented || errors.As(failure, &undocumented) {
		return answer{Error: failure.Error()}
	}
	return describe(failure)
}

func describe(value any) answer {
	got := answer{Value: value}
	for status := 200; status < 600 && got.Status == 0; status++ {
		if is, ok := value.(coded); ok && is.IsCode(status) {
			got.Status = status
		}
	}
	if payload := reflect.ValueOf(value).Elem().FieldByName("Payload"); payload.IsValid() {
		if err := validate(payload); err != nil {
			got.Error = err.Error()
		}
	}
	return got
}

// validate holds a body against the rules of the document, which the client leaves to who asks.
func validate(payload reflect.Value) error {
	if payload.Kind() == reflect.Slice {
		for i := range payload.Len() {
			if err := validate(payload.Index(i)); err != nil {
				return fmt.Errorf("item %d: %w", i, err)
			}
		}
	}
	model, ok := payload.Interface().(interface{ Validate(strfmt.Registry) error })
	if !ok || (payload.Kind() == reflect.Pointer && payload.IsNil()) {
		return nil
	}
	return model.Validate(strfmt.Default)
}
