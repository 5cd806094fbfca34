package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/Azure/go-amqp"
)

// pattern is the bytes of a body: its period is prime to every frame size, so that lost or swapped pieces show.
func pattern(size int) []byte {
	period := make([]byte, 251)
	for i := range period {
		period[i] = byte(i)
	}
	return bytes.Repeat(period, size/len(period)+1)[:size]
}

func numbered(number, size int) *amqp.Message {
	return &amqp.Message{
		Data:       [][]byte{pattern(size)},
		Properties: &amqp.MessageProperties{MessageID: strconv.Itoa(number)},
	}
}

// bodyBytes is what is digested of a message.
func bodyBytes(message *amqp.Message) []byte {
	switch value := message.Value.(type) {
	case []byte:
		return value
	case string:
		return []byte(value)
	}
	return message.GetData()
}

// identity is a message's id as text, or null.
func identity(message *amqp.Message) any {
	if message.Properties == nil || message.Properties.MessageID == nil {
		return nil
	}
	if binary, ok := message.Properties.MessageID.([]byte); ok {
		return string(binary)
	}
	return fmt.Sprint(message.Properties.MessageID)
}

func received(message *amqp.Message, address string, types bool) {
	digest := sha256.Sum256(bodyBytes(message))
	more := fields{
		"address": address, "id": identity(message), "size": len(bodyBytes(message)), "sha256": hex.EncodeToString(digest[:]),
		"delivery_count": 0,
	}
	if message.Header != nil {
		more["delivery_count"] = message.Header.DeliveryCount
	}
	if types {
		more["form"] = formOfMessage(message)
	}
	say("received", more)
}

func senderMode(name string) *amqp.SenderSettleMode {
	modes := map[string]amqp.SenderSettleMode{
		"unsettled": amqp.SenderSettleModeUnsettled, "settled": amqp.SenderSettleModeSettled, "mixed": amqp.SenderSettleModeMixed,
	}
	if mode, known := modes[name]; known {
		return &mode
	}
	return nil
}

func receiverMode(name string) *amqp.ReceiverSettleMode {
	modes := map[string]amqp.ReceiverSettleMode{
		"first": amqp.ReceiverSettleModeFirst, "second": amqp.ReceiverSettleModeSecond,
	}
	if mode, known := modes[name]; known {
		return &mode
	}
	return nil
}

// outcomes counts what became of the messages, and tells how far it is.
type outcomes struct {
	*options
	states map[string]int
	count  int
}

func (o *outcomes) add(state amqp.DeliveryState) {
	name := "presettled"
	switch state := state.(type) {
	case *amqp.StateAccepted:
		name = "accepted"
	case *amqp.StateRejected:
		name = "rejected"
		if state.Error != nil {
			say("rejected", fields{"condition": string(state.Error.Condition), "description": state.Error.Description})
		}
	case *amqp.StateReleased:
		name = "released"
	case *amqp.StateModified:
		name = "modified"
		say("modified", fields{"delivery_failed": state.DeliveryFailed, "undeliverable_here": state.UndeliverableHere})
	}
	o.states[name]++
	if o.count++; o.count%o.progress == 0 {
		say("progress", fields{"count": o.count})
	}
}

func sendNumbers(ctx context.Context, o *options) error {
	messages := make([]*amqp.Message, o.count)
	for i := range messages {
		messages[i] = numbered(i, o.size)
	}
	return sendAll(ctx, o, messages)
}

// sendAll sends messages and waits for their outcomes; what a lost connection left open is sent again by a new one.
func sendAll(ctx context.Context, o *options, messages []*amqp.Message) error {
	told := &outcomes{options: o, states: map[string]int{}}
	turn := 0
	for {
		left, err := sendSome(ctx, o, messages, told, &turn)
		if err == nil {
			break
		}
		var lost *amqp.ConnError
		var refused *amqp.Error
		if !o.reconnect || (errors.As(err, &refused) && !errors.As(err, &lost)) {
			return err
		}
		say("disconnected", nil)
		messages = left
		time.Sleep(20 * time.Millisecond)
	}
	sum := fields{"count": told.count}
	for name, count := range told.states {
		sum[name] = count
	}
	say("done", sum)
	return nil
}

type waiting struct {
	message *amqp.Message
	receipt amqp.SendReceipt
}

// sendSome sends until the connection ends; it returns the messages whose outcome it does not know.
func sendSome(ctx context.Context, o *options, messages []*amqp.Message, told *outcomes, turn *int) ([]*amqp.Message, error) {
	connection, err := o.connect(ctx, turn)
	if err != nil {
		return messages, err
	}
	defer connection.Close()
	mode := o.sndSettle
	if o.presettled {
		mode = "settled"
	}
	settings := &amqp.SenderOptions{SettlementMode: senderMode(mode), RequestedReceiverSettleMode: receiverMode(o.rcvSettle)}
	sender, err := connection.session.NewSender(ctx, o.address, settings)
	if err != nil {
		return messages, err
	}
	var open []waiting
	unknown := func() (rest []*amqp.Message) {
		for _, sent := range open {
			rest = append(rest, sent.message)
		}
		return append(rest, messages...)
	}
	for len(messages) > 0 || len(open) > 0 {
		for len(messages) > 0 && len(open) < 100 {
			if o.presettled {
				if err := sender.Send(ctx, messages[0], nil); err != nil {
					return unknown(), err
				}
				messages = messages[1:]
				told.add(nil)
				continue
			}
			receipt, err := sender.SendWithReceipt(ctx, messages[0], nil)
			if err != nil {
				return unknown(), err
			}
			open, messages = append(open, waiting{messages[0], receipt}), messages[1:]
		}
		if len(open) > 0 {
			state, err := open[0].receipt.Wait(ctx)
			if err != nil {
				return unknown(), err
			}
			open = open[1:]
			told.add(state)
		}
	}
	if err := sender.Close(ctx); err != nil {
		return nil, err
	}
	return nil, nil
}

func receiverOptions(o *options) *amqp.ReceiverOptions {
	settings := &amqp.ReceiverOptions{
		Credit: int32(o.credit), SettlementMode: receiverMode(o.rcvSettle), RequestedSenderSettleMode: senderMode(o.sndSettle),
	}
	if o.selector != "" {
		settings.Filters = append(settings.Filters, amqp.NewSelectorFilter(o.selector))
	}
	if o.browse {
		settings.SourceDistributionMode = amqp.SourceDistributionModeCopy
	}
	return settings
}

func settle(ctx context.Context, receiver *amqp.Receiver, message *amqp.Message, outcome string) error {
	switch outcome {
	case "reject":
		return receiver.RejectMessage(ctx, message, nil)
	case "release":
		return receiver.ReleaseMessage(ctx, message)
	case "modify":
		return receiver.ModifyMessage(ctx, message, &amqp.ModifyMessageOptions{DeliveryFailed: true})
	default:
		return receiver.AcceptMessage(ctx, message)
	}
}

func receiveTypes(ctx context.Context, o *options) error {
	o.types = true
	return receive(ctx, o)
}

// receive takes a number of different messages; with --reconnect it goes on after a loss.
func receive(ctx context.Context, o *options) error {
	seen := map[any]bool{}
	turn := 0
	for {
		err := receiveSome(ctx, o, seen, &turn)
		if err == nil {
			say("done", fields{"count": len(seen)})
			return nil
		}
		if !o.reconnect {
			return err
		}
		say("disconnected", nil)
		time.Sleep(20 * time.Millisecond)
	}
}

func receiveSome(ctx context.Context, o *options, seen map[any]bool, turn *int) error {
	connection, err := o.connect(ctx, turn)
	if err != nil {
		return err
	}
	defer connection.Close()
	receiver, err := connection.session.NewReceiver(ctx, o.address, receiverOptions(o))
	if err != nil {
		return err
	}
	say("attached", fields{"role": "receiver"})
	for len(seen) < o.count {
		message, err := receiver.Receive(ctx, nil)
		if err != nil {
			return err
		}
		received(message, o.address, o.types)
		if err := settle(ctx, receiver, message, o.outcome); err != nil {
			return err
		}
		if id := identity(message); id != nil {
			seen[id] = true
		} else {
			seen[len(seen)] = true
		}
	}
	return receiver.Close(ctx)
}

// drain gives credit for COUNT messages, of which one at least must be there, takes back what was not used, and tells how many
// came. The first is waited for: go-amqp drains with a credit of 0, and may do so before it has told of any credit.
func drain(ctx context.Context, o *options) error {
	turn := 0
	connection, err := o.connect(ctx, &turn)
	if err != nil {
		return err
	}
	defer connection.Close()
	settings := receiverOptions(o)
	settings.Credit = -1
	receiver, err := connection.session.NewReceiver(ctx, o.address, settings)
	if err != nil {
		return err
	}
	if err := receiver.IssueCredit(uint32(o.count)); err != nil {
		return err
	}
	message, err := receiver.Receive(ctx, nil)
	if err != nil {
		return err
	}
	if err := receiver.DrainCredit(ctx, nil); err != nil {
		return err
	}
	came := 0
	for ; message != nil; message = receiver.Prefetched() {
		received(message, o.address, false)
		if err := receiver.AcceptMessage(ctx, message); err != nil {
			return err
		}
		came++
	}
	say("drained", fields{"count": came})
	return receiver.Close(ctx)
}

// attach opens a link, and waits until the other side ends it.
func attach(ctx context.Context, o *options) error {
	turn := 0
	connection, err := o.connect(ctx, &turn)
	if err != nil {
		return err
	}
	defer connection.Close()
	if o.forTarget {
		sender, err := connection.session.NewSender(ctx, o.address, nil)
		if err != nil {
			return err
		}
		say("attached", fields{"role": "sender"})
		for {
			if err := sender.Send(ctx, numbered(0, 1), nil); err != nil {
				return err
			}
		}
	}
	receiver, err := connection.session.NewReceiver(ctx, o.address, receiverOptions(o))
	if err != nil {
		return err
	}
	say("attached", fields{"role": "receiver"})
	_, err = receiver.Receive(ctx, nil)
	return err
}

// request asks COUNT times, one after the other, with a dynamic address for the answers.
func request(ctx context.Context, o *options) error {
	turn := 0
	connection, err := o.connect(ctx, &turn)
	if err != nil {
		return err
	}
	defer connection.Close()
	sender, err := connection.session.NewSender(ctx, o.address, nil)
	if err != nil {
		return err
	}
	answers, err := connection.session.NewReceiver(ctx, "", &amqp.ReceiverOptions{DynamicAddress: true, Credit: 10})
	if err != nil {
		return err
	}
	replyTo := answers.Address()
	say("reply_to", fields{"address": replyTo})
	for number := range o.count {
		question := numbered(number, o.size)
		question.Properties.ReplyTo = &replyTo
		question.Properties.CorrelationID = fmt.Sprintf("c-%d", number)
		if err := sender.Send(ctx, question, nil); err != nil {
			return err
		}
		answer, err := answers.Receive(ctx, nil)
		if err != nil {
			return err
		}
		if err := answers.AcceptMessage(ctx, answer); err != nil {
			return err
		}
		received(answer, o.address, false)
		if answer.Properties == nil || answer.Properties.CorrelationID != question.Properties.CorrelationID {
			return fmt.Errorf("wrong answer to question %d", number)
		}
	}
	say("done", fields{"count": o.count})
	return nil
}

// respond answers requests through the anonymous relay, until it is stopped.
func respond(ctx context.Context, o *options) error {
	turn := 0
	connection, err := o.connect(ctx, &turn)
	if err != nil {
		return err
	}
	defer connection.Close()
	relay, err := connection.session.NewSender(ctx, "", nil)
	if err != nil {
		return err
	}
	requests, err := connection.session.NewReceiver(ctx, o.address, receiverOptions(o))
	if err != nil {
		return err
	}
	say("attached", fields{"role": "receiver"})
	for {
		question, err := requests.Receive(ctx, nil)
		if err != nil {
			return err
		}
		received(question, o.address, false)
		answer := &amqp.Message{
			Data:       question.Data,
			Value:      question.Value,
			Properties: &amqp.MessageProperties{To: question.Properties.ReplyTo, CorrelationID: question.Properties.CorrelationID},
		}
		if err := relay.Send(ctx, answer, nil); err != nil {
			return err
		}
		if err := requests.AcceptMessage(ctx, question); err != nil {
			return err
		}
	}
}
