package main

// AMQP values as tagged JSON, ["uint", "7"], and back; types.json, beside this folder, lists values and messages in this form.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"time"

	"github.com/Azure/go-amqp"
)

type form = []any

func list(value any) []any {
	items, _ := value.([]any)
	return items
}

func text(value any) string {
	result, _ := value.(string)
	return result
}

func bits(digits any) uint64 {
	number, err := strconv.ParseUint(text(digits), 16, 64)
	must(err)
	return number
}

// must ends a conversion that cannot go on: the forms are in a file of ours.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// inexpressible is what go-amqp has no way to write.
type inexpressible string

func (reason inexpressible) Error() string { return string(reason) }

func signed[N int8 | int16 | int32 | int64](value any, width int) N {
	number, err := strconv.ParseInt(text(value), 10, width)
	must(err)
	return N(number)
}

func unsigned[N uint8 | uint16 | uint32 | uint64](value any, width int) N {
	number, err := strconv.ParseUint(text(value), 10, width)
	must(err)
	return N(number)
}

// valueOf is the Go value that a form describes. It panics with inexpressible when there is none.
func valueOf(described any) any {
	f := list(described)
	kind, value := text(f[0]), any(nil)
	if len(f) > 1 {
		value = f[1]
	}
	switch kind {
	case "null":
		return nil
	case "bool":
		return value
	case "ubyte":
		return unsigned[uint8](value, 8)
	case "ushort":
		return unsigned[uint16](value, 16)
	case "uint":
		return unsigned[uint32](value, 32)
	case "ulong":
		return unsigned[uint64](value, 64)
	case "byte":
		return signed[int8](value, 8)
	case "short":
		return signed[int16](value, 16)
	case "int":
		return signed[int32](value, 32)
	case "long":
		return signed[int64](value, 64)
	case "timestamp":
		return time.UnixMilli(signed[int64](value, 64))
	case "float":
		return math.Float32frombits(uint32(bits(value)))
	case "double":
		return math.Float64frombits(bits(value))
	case "uuid":
		return amqp.UUID(unhex(value))
	case "binary":
		return unhex(value)
	case "string":
		return text(value)
	case "symbol":
		return amqp.Symbol(text(value))
	case "list":
		return valuesOf(value)
	case "map":
		return mapOf(value)
	case "array":
		return arrayOf(f)
	}
	panic(inexpressible("go-amqp writes no " + kind))
}

func unhex(digits any) []byte {
	octets, err := hex.DecodeString(text(digits))
	must(err)
	return octets
}

func valuesOf(forms any) []any {
	values := []any{}
	for _, element := range list(forms) {
		values = append(values, valueOf(element))
	}
	return values
}

func mapOf(pairs any) map[any]any {
	result := map[any]any{}
	for _, pair := range list(pairs) {
		key := valueOf(list(pair)[0])
		if key != nil && !reflect.TypeOf(key).Comparable() {
			panic(inexpressible("a Go map has no such key"))
		}
		result[key] = valueOf(list(pair)[1])
	}
	return result
}

func elements[T any](forms any) []T {
	values := []T{}
	for _, element := range list(forms) {
		values = append(values, valueOf(element).(T))
	}
	return values
}

func arrayOf(f form) any {
	if f[1] != nil {
		panic(inexpressible("go-amqp writes no arrays of described values"))
	}
	switch text(f[2]) {
	case "bool":
		return elements[bool](f[3])
	case "ushort":
		return elements[uint16](f[3])
	case "uint":
		return elements[uint32](f[3])
	case "ulong":
		return elements[uint64](f[3])
	case "byte":
		return elements[int8](f[3])
	case "short":
		return elements[int16](f[3])
	case "int":
		return elements[int32](f[3])
	case "long":
		return elements[int64](f[3])
	case "float":
		return elements[float32](f[3])
	case "double":
		return elements[float64](f[3])
	case "timestamp":
		return elements[time.Time](f[3])
	case "uuid":
		return elements[amqp.UUID](f[3])
	case "binary":
		return elements[[]byte](f[3])
	case "string":
		return elements[string](f[3])
	case "symbol":
		return elements[amqp.Symbol](f[3])
	case "map":
		return elements[map[any]any](f[3])
	}
	panic(inexpressible("go-amqp writes no array of " + text(f[2])))
}

func number[N int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](kind string, value N) form {
	return form{kind, fmt.Sprint(value)}
}

// formOf is the form of a value that go-amqp decoded. It keeps no symbols: they are strings here.
func formOf(value any) form {
	switch value := value.(type) {
	case nil:
		return form{"null"}
	case bool:
		return form{"bool", value}
	case uint8:
		return number("ubyte", value)
	case uint16:
		return number("ushort", value)
	case uint32:
		return number("uint", value)
	case uint64:
		return number("ulong", value)
	case int8:
		return number("byte", value)
	case int16:
		return number("short", value)
	case int32:
		return number("int", value)
	case int64:
		return number("long", value)
	case float32:
		return form{"float", fmt.Sprintf("%08x", math.Float32bits(value))}
	case float64:
		return form{"double", fmt.Sprintf("%016x", math.Float64bits(value))}
	case time.Time:
		return number("timestamp", value.UnixMilli())
	case amqp.UUID:
		return form{"uuid", hex.EncodeToString(value[:])}
	case []byte:
		return form{"binary", hex.EncodeToString(value)}
	case string:
		return form{"string", value}
	case amqp.Symbol:
		return form{"symbol", string(value)}
	case []any:
		return form{"list", formsOf(value)}
	}
	return formOfCompound(reflect.ValueOf(value))
}

func formsOf(values []any) []any {
	forms := []any{}
	for _, value := range values {
		forms = append(forms, formOf(value))
	}
	return forms
}

var elementNames = map[reflect.Type]string{
	reflect.TypeFor[bool](): "bool", reflect.TypeFor[uint8](): "ubyte", reflect.TypeFor[uint16](): "ushort",
	reflect.TypeFor[uint32](): "uint", reflect.TypeFor[uint64](): "ulong", reflect.TypeFor[int8](): "byte",
	reflect.TypeFor[int16](): "short", reflect.TypeFor[int32](): "int", reflect.TypeFor[int64](): "long",
	reflect.TypeFor[float32](): "float", reflect.TypeFor[float64](): "double", reflect.TypeFor[time.Time](): "timestamp",
	reflect.TypeFor[amqp.UUID](): "uuid", reflect.TypeFor[[]byte](): "binary", reflect.TypeFor[string](): "string",
	reflect.TypeFor[amqp.Symbol](): "symbol", reflect.TypeFor[map[any]any](): "map",
}

// formOfCompound looks into what go-amqp has types of its own for, some of them not exported.
func formOfCompound(value reflect.Value) form {
	switch value.Kind() {
	case reflect.Map:
		return formOfMap(value, false)
	case reflect.Slice:
		forms := []any{}
		for i := range value.Len() {
			forms = append(forms, formOf(value.Index(i).Interface()))
		}
		return form{"array", nil, elementNames[value.Type().Elem()], forms}
	case reflect.Struct:
		descriptor, content := value.FieldByName("Descriptor"), value.FieldByName("Value")
		if descriptor.IsValid() && content.IsValid() {
			return form{"described", formOf(descriptor.Interface()), formOf(content.Interface())}
		}
	}
	return form{"unknown", fmt.Sprintf("%T", value.Interface())}
}

// formOfMap is the form of a map, whose pairs have no order here: they are sorted by their text.
func formOfMap(value reflect.Value, symbols bool) form {
	pairs := []any{}
	for iterator := value.MapRange(); iterator.Next(); {
		key := formOf(iterator.Key().Interface())
		if symbols && text(key[0]) == "string" {
			key[0] = "symbol"
		}
		pairs = append(pairs, []any{key, formOf(iterator.Value().Interface())})
	}
	sort.Slice(pairs, func(i, j int) bool { return fmt.Sprint(pairs[i]) < fmt.Sprint(pairs[j]) })
	return form{"map", pairs}
}

func pointer[T any](value any) *T {
	if value == nil {
		return nil
	}
	result := valueOf(value).(T)
	return &result
}

// symbolOf is the text of a property that is a symbol on the wire.
func symbolOf(value any) *string {
	if value == nil {
		return nil
	}
	result := string(valueOf(value).(amqp.Symbol))
	return &result
}

func propertiesOf(f map[string]any) *amqp.MessageProperties {
	value := func(name string) any {
		if f[name] == nil {
			return nil
		}
		return valueOf(f[name])
	}
	user, _ := value("user_id").([]byte)
	return &amqp.MessageProperties{
		MessageID: value("message_id"), UserID: user, To: pointer[string](f["to"]), Subject: pointer[string](f["subject"]),
		ReplyTo: pointer[string](f["reply_to"]), CorrelationID: value("correlation_id"),
		ContentType: symbolOf(f["content_type"]), ContentEncoding: symbolOf(f["content_encoding"]),
		AbsoluteExpiryTime: pointer[time.Time](f["absolute_expiry_time"]), CreationTime: pointer[time.Time](f["creation_time"]),
		GroupID: pointer[string](f["group_id"]), GroupSequence: pointer[uint32](f["group_sequence"]),
		ReplyToGroupID: pointer[string](f["reply_to_group_id"]),
	}
}

// annotationsOf are annotations: the keys are strings for go-amqp, which writes them as symbols.
func annotationsOf(value any) amqp.Annotations {
	if value == nil {
		return nil
	}
	result := amqp.Annotations{}
	for key, content := range mapOf(list(value)[1]) {
		switch key := key.(type) {
		case amqp.Symbol:
			result[string(key)] = content
		case int64:
			result[key] = content
		default:
			panic(inexpressible(fmt.Sprintf("go-amqp writes no annotation whose key is %T", key)))
		}
	}
	return result
}

func headerOf(f map[string]any) *amqp.MessageHeader {
	header := &amqp.MessageHeader{Priority: 4}
	header.Durable, _ = f["durable"].(bool)
	header.FirstAcquirer, _ = f["first_acquirer"].(bool)
	if priority, set := f["priority"].(float64); set {
		header.Priority = uint8(priority)
	}
	if ttl, set := f["ttl"].(float64); set {
		header.TTL = time.Duration(ttl) * time.Millisecond
	}
	if count, set := f["delivery_count"].(float64); set {
		header.DeliveryCount = uint32(count)
	}
	return header
}

// messageOf is the message that an entry of types.json describes, or the reason why there is none.
func messageOf(f map[string]any) (message *amqp.Message, err error) {
	defer func() {
		if reason, stopped := recover().(inexpressible); stopped {
			err = reason
		}
	}()
	message = &amqp.Message{
		DeliveryAnnotations: annotationsOf(f["delivery_annotations"]), Annotations: annotationsOf(f["message_annotations"]),
		Footer: annotationsOf(f["footer"]),
	}
	if header, set := f["header"].(map[string]any); set {
		message.Header = headerOf(header)
	}
	if properties, set := f["properties"].(map[string]any); set {
		message.Properties = propertiesOf(properties)
	} else {
		message.Properties = &amqp.MessageProperties{MessageID: f["name"]}
	}
	if f["application_properties"] != nil {
		message.ApplicationProperties = map[string]any{}
		for key, content := range mapOf(list(f["application_properties"])[1]) {
			message.ApplicationProperties[key.(string)] = content
		}
	}
	body := f["body"].(map[string]any)
	for _, data := range list(body["data"]) {
		message.Data = append(message.Data, unhex(data))
	}
	for _, sequence := range list(body["sequence"]) {
		message.Sequence = append(message.Sequence, valuesOf(sequence))
	}
	if body["value"] != nil {
		if message.Value = valueOf(body["value"]); message.Value == nil {
			message.Value = amqp.Null{}
		}
	}
	return message, nil
}

func formOfProperties(p *amqp.MessageProperties) fields {
	result := fields{}
	put := func(name string, value any) {
		if content := reflect.ValueOf(value); value != nil && !(content.Kind() == reflect.Pointer && content.IsNil()) {
			result[name] = formOf(reflect.Indirect(content).Interface())
		}
	}
	put("message_id", p.MessageID)
	if p.UserID != nil {
		put("user_id", p.UserID)
	}
	put("to", p.To)
	put("subject", p.Subject)
	put("reply_to", p.ReplyTo)
	put("correlation_id", p.CorrelationID)
	put("absolute_expiry_time", p.AbsoluteExpiryTime)
	put("creation_time", p.CreationTime)
	put("group_id", p.GroupID)
	put("group_sequence", p.GroupSequence)
	put("reply_to_group_id", p.ReplyToGroupID)
	for name, symbol := range map[string]*string{"content_type": p.ContentType, "content_encoding": p.ContentEncoding} {
		if symbol != nil {
			result[name] = form{"symbol", *symbol}
		}
	}
	return result
}

func formOfHeader(h *amqp.MessageHeader) fields {
	result := fields{}
	if h.Durable {
		result["durable"] = true
	}
	if h.Priority != 4 {
		result["priority"] = h.Priority
	}
	if h.TTL != 0 {
		result["ttl"] = h.TTL.Milliseconds()
	}
	if h.FirstAcquirer {
		result["first_acquirer"] = true
	}
	if h.DeliveryCount != 0 {
		result["delivery_count"] = h.DeliveryCount
	}
	return result
}

// formOfMessage is the form of a received message; fields that are absent or have their default are left out.
func formOfMessage(message *amqp.Message) fields {
	result := fields{}
	if message.Header != nil {
		if header := formOfHeader(message.Header); len(header) > 0 {
			result["header"] = header
		}
	}
	if message.Properties != nil {
		if properties := formOfProperties(message.Properties); len(properties) > 0 {
			result["properties"] = properties
		}
	}
	for name, annotations := range map[string]amqp.Annotations{
		"delivery_annotations": message.DeliveryAnnotations, "message_annotations": message.Annotations, "footer": message.Footer,
	} {
		if annotations != nil {
			result[name] = formOfMap(reflect.ValueOf(annotations), true)
		}
	}
	if message.ApplicationProperties != nil {
		result["application_properties"] = formOfMap(reflect.ValueOf(message.ApplicationProperties), false)
	}
	switch {
	case message.Data != nil:
		sections := []any{}
		for _, data := range message.Data {
			sections = append(sections, hex.EncodeToString(data))
		}
		result["body"] = fields{"data": sections}
	case message.Sequence != nil:
		sections := []any{}
		for _, sequence := range message.Sequence {
			sections = append(sections, formsOf(sequence))
		}
		result["body"] = fields{"sequence": sections}
	default:
		result["body"] = fields{"value": formOf(message.Value)}
	}
	return result
}

// entries are the messages of types.json.
func entries(o *options) ([]map[string]any, error) {
	path := o.table
	if path == "" {
		program, err := os.Executable()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(filepath.Dir(program), "types.json")
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var table struct{ Values, Messages []map[string]any }
	if err := json.Unmarshal(source, &table); err != nil {
		return nil, err
	}
	for _, entry := range table.Values {
		entry["body"] = map[string]any{"value": entry["value"]}
	}
	return append(table.Values, table.Messages...), nil
}

// alwaysTheSame is whether a message has the same bytes each time that go-amqp writes it: maps of several pairs do not.
func alwaysTheSame(part any) bool {
	switch part := part.(type) {
	case map[string]any:
		for _, field := range part {
			if !alwaysTheSame(field) {
				return false
			}
		}
	case []any:
		if len(part) == 2 && part[0] == "map" && len(list(part[1])) > 1 {
			return false
		}
		for _, element := range part {
			if !alwaysTheSame(element) {
				return false
			}
		}
	}
	return true
}

// sendTypes sends the messages of types.json that go-amqp can express, or the one that --only names.
func sendTypes(ctx context.Context, o *options) error {
	table, err := entries(o)
	if err != nil {
		return err
	}
	var messages []*amqp.Message
	for _, entry := range table {
		cannot, _ := entry["cannot"].(map[string]any)
		excluded := false
		for _, who := range []string{"go-amqp", "go-amqp-send", o.reader, o.reader + "-receive"} {
			excluded = excluded || cannot[who] != nil
		}
		if o.only == "" && excluded || o.only != "" && o.only != entry["name"] {
			continue
		}
		message, err := messageOf(entry)
		if err != nil {
			return err
		}
		octets, err := message.MarshalBinary()
		if err != nil {
			return err
		}
		made := fields{"name": entry["name"]}
		if alwaysTheSame(entry) {
			digest := sha256.Sum256(octets)
			made["sha256"] = hex.EncodeToString(digest[:])
		}
		say("made", made)
		messages = append(messages, message)
	}
	return sendAll(ctx, o, messages)
}
