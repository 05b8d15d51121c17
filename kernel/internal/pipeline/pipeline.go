// Package pipeline starts steps in order and releases them in reverse. Start-up,
// promotion, demotion and shutdown are the same two moves, Advance and Rewind, so
// there is one code path for everything that can happen to a role.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Step is one stage. Start returns when the step is usable; if it fails it has
// released its own part. Stop releases all and waits. Start may follow.
type Step struct {
	Name   string
	Guard  bool          // never stopped while a step after it could not be
	Budget time.Duration // of Stop; 0: DefaultBudget
	Start  func(ctx context.Context) error
	Stop   func(ctx context.Context) error
}

// DefaultBudget bounds a step's Stop.
const DefaultBudget = 5 * time.Second

// Event tells of one Start or Stop.
type Event struct {
	Step string
	Op   string // "start" or "stop"
	Took time.Duration
	Err  error
}

// Pipeline walks its steps. One goroutine at a time.
type Pipeline struct {
	steps   []Step
	started int // steps[:started] are up
	observe func(Event)
	unclean error // once set, nothing starts again
}

// New returns a pipeline with no step started. observe may be nil; it is called
// from the goroutine that moves the pipeline.
func New(observe func(Event), steps ...Step) *Pipeline {
	if observe == nil {
		observe = func(Event) {}
	}
	return &Pipeline{steps: steps, observe: observe}
}

// Advance starts the steps that are not up, in order. If one fails, those that
// this call started are released again and the step's error is returned.
func (p *Pipeline) Advance(ctx context.Context) error {
	if p.unclean != nil {
		return p.unclean
	}
	base := p.started
	for p.started < len(p.steps) {
		s := p.steps[p.started]
		if err := p.move(s.Name, "start", func() error { return s.Start(ctx) }); err != nil {
			return errors.Join(err, p.rewindTo(ctx, base))
		}
		p.started++
	}
	return nil
}

// Rewind stops the steps after the named one, in reverse order; "" stops all.
// Each has its own budget, also when ctx is already cancelled: a caller in a hurry
// must not leave the lock held. A step that fails to stop does not keep the
// earlier ones from stopping, except a guard: that stays up, ErrUnclean is
// returned, now and by every later Advance. Letting the guard go would admit a second
// writer beside one that still runs.
func (p *Pipeline) Rewind(ctx context.Context, to string) error {
	base := 0
	if to != "" {
		for base < len(p.steps) && p.steps[base].Name != to {
			base++
		}
		if base == len(p.steps) {
			return fmt.Errorf("%w: no step %q", sdk.ErrInvalid, to)
		}
		base++
	}
	return p.rewindTo(ctx, base)
}

func (p *Pipeline) rewindTo(ctx context.Context, base int) error {
	var errs []error
	for p.started > base {
		s := p.steps[p.started-1]
		if s.Guard && p.unclean != nil {
			return errors.Join(append(errs, p.unclean)...)
		}
		if err := p.move(s.Name, "stop", func() error { return stop(ctx, s) }); err != nil {
			errs = append(errs, err)
			if p.guarded(p.started - 1) {
				p.unclean = fmt.Errorf("%w: step %s: %w; the lock is kept, exit the process", sdk.ErrUnclean, s.Name, err)
			}
		}
		p.started--
	}
	if p.unclean != nil {
		errs = append(errs, p.unclean)
	}
	return errors.Join(errs...)
}

// guarded reports whether a guard comes before step n.
func (p *Pipeline) guarded(n int) bool {
	for _, s := range p.steps[:n] {
		if s.Guard {
			return true
		}
	}
	return false
}

func stop(ctx context.Context, s Step) error {
	budget := s.Budget
	if budget == 0 {
		budget = DefaultBudget
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), budget)
	defer cancel()
	return s.Stop(ctx)
}

func (p *Pipeline) move(name, op string, f func() error) error {
	begin := time.Now()
	err := f()
	p.observe(Event{Step: name, Op: op, Took: time.Since(begin), Err: err})
	return err
}
