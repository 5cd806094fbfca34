// Azure's go-amqp as the other side of a test: clients, for the library has no server.
//
//	go_amqp_peer ROLE URL ADDRESS [COUNT [SIZE]] [options]
//
// Roles and options are those of proton_peer.py; README.md beside this folder lists them. What happens is printed as one JSON
// object a line, before anything is acknowledged. The program ends when its standard input does.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/go-amqp"
)

// options is the command line.
type options struct {
	role, url, address                        string
	count, size                               int
	cert, key, ca, mechanisms, user, password string
	outcome, selector, sndSettle, rcvSettle   string
	table, only, reader                       string
	noSASL, types, presettled, reconnect      bool
	browse, forTarget                         bool
	heartbeat                                 float64
	credit, progress, maxFrameSize            int
}

// parse reads the command line: flags may stand anywhere, as with the other peers.
func parse(arguments []string) (*options, error) {
	o := &options{count: 1, size: 100}
	set := flag.NewFlagSet("go_amqp_peer", flag.ContinueOnError)
	for name, field := range map[string]*string{
		"cert": &o.cert, "key": &o.key, "ca": &o.ca, "mechanisms": &o.mechanisms, "user": &o.user, "password": &o.password,
		"selector": &o.selector, "sender-settle": &o.sndSettle, "receiver-settle": &o.rcvSettle, "table": &o.table, "only": &o.only, "for": &o.reader,
	} {
		set.StringVar(field, name, "", "")
	}
	for name, field := range map[string]*bool{
		"no-sasl": &o.noSASL, "types": &o.types, "presettled": &o.presettled, "reconnect": &o.reconnect,
		"browse": &o.browse, "target": &o.forTarget,
	} {
		set.BoolVar(field, name, false, "")
	}
	set.StringVar(&o.outcome, "outcome", "accept", "")
	set.Float64Var(&o.heartbeat, "heartbeat", 0, "")
	set.IntVar(&o.credit, "credit", 100, "")
	set.IntVar(&o.progress, "progress", 100, "")
	set.IntVar(&o.maxFrameSize, "max-frame-size", 0, "")
	var positional []string
	for len(arguments) > 0 {
		if err := set.Parse(arguments); err != nil {
			return nil, err
		}
		arguments = set.Args()
		if len(arguments) > 0 {
			positional, arguments = append(positional, arguments[0]), arguments[1:]
		}
	}
	if len(positional) < 3 {
		return nil, errors.New("usage: go_amqp_peer ROLE URL ADDRESS [COUNT [SIZE]] [options]")
	}
	o.role, o.url, o.address = positional[0], positional[1], positional[2]
	for i, field := range []*int{&o.count, &o.size} {
		if len(positional) > 3+i {
			number, err := strconv.Atoi(positional[3+i])
			if err != nil {
				return nil, err
			}
			*field = number
		}
	}
	return o, nil
}

type fields map[string]any

var printing sync.Mutex

// say prints one event; standard output is not buffered.
func say(event string, more fields) {
	line := fields{"event": event}
	for name, value := range more {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	printing.Lock()
	defer printing.Unlock()
	os.Stdout.Write(append(text, '\n'))
}

// fail says what went wrong, and at which level: what the other side said, or what the library found.
func fail(err error) int {
	var connection *amqp.ConnError
	var session *amqp.SessionError
	var link *amqp.LinkError
	event := "transport_error"
	remote := (*amqp.Error)(nil)
	switch {
	case errors.As(err, &connection):
		if remote = connection.RemoteErr; remote != nil {
			event = "connection_error"
		}
	case errors.As(err, &session):
		event, remote = "session_error", session.RemoteErr
	case errors.As(err, &link):
		event, remote = "link_error", link.RemoteErr
	case errors.As(err, &remote):
		event = "link_error"
	}
	if remote != nil {
		say(event, fields{"condition": string(remote.Condition), "description": remote.Description})
	} else {
		say(event, fields{"condition": "", "description": err.Error()})
	}
	return 1
}

// connected is a connection with its session.
type connected struct {
	*amqp.Conn
	session *amqp.Session
}

// connect opens a connection to one of the URLs, and a session. go-amqp does not connect again by itself: who wants that calls
// this once more, and turn goes on where it was.
func (o *options) connect(ctx context.Context, turn *int) (*connected, error) {
	urls := strings.Split(o.url, ",")
	url := urls[*turn%len(urls)]
	*turn++
	settings := &amqp.ConnOptions{ContainerID: fmt.Sprintf("go-amqp-%s-%d", o.role, os.Getpid())}
	mechanism := "ANONYMOUS"
	switch {
	case o.noSASL:
		mechanism = ""
	case strings.Contains(o.mechanisms, "EXTERNAL"):
		mechanism, settings.SASLType = "EXTERNAL", amqp.SASLTypeExternal("")
	case o.user != "":
		mechanism, settings.SASLType = "PLAIN", amqp.SASLTypePlain(o.user, o.password)
	default:
		settings.SASLType = amqp.SASLTypeAnonymous()
	}
	if o.heartbeat > 0 {
		settings.IdleTimeout = time.Duration(o.heartbeat * float64(time.Second))
	}
	settings.MaxFrameSize = uint32(o.maxFrameSize)
	var err error
	if settings.TLSConfig, err = o.tls(); err != nil {
		return nil, err
	}
	connection, err := amqp.Dial(ctx, url, settings)
	if err != nil {
		return nil, err
	}
	session, err := connection.NewSession(ctx, nil)
	if err != nil {
		connection.Close()
		return nil, err
	}
	say("opened", fields{"user": o.user, "mechanism": mechanism})
	return &connected{connection, session}, nil
}

// tls is the configuration of a client that knows one authority, and may have a certificate of its own.
func (o *options) tls() (*tls.Config, error) {
	if o.ca == "" {
		return nil, nil
	}
	authority, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("no certificate in %s", o.ca)
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	roles := map[string]func(context.Context, *options) error{
		"send": sendNumbers, "receive": receive, "request": request, "respond": respond, "types-send": sendTypes,
		"types-receive": receiveTypes, "drain": drain, "attach": attach,
	}
	role, known := roles[o.role]
	if !known {
		fmt.Fprintln(os.Stderr, "unknown role", o.role)
		os.Exit(2)
	}
	if err := role(context.Background(), o); err != nil {
		os.Exit(fail(err))
	}
}
