import { expect, test } from 'vitest'
import { begin } from '../protocol/claim.js'
import type { Call } from '../protocol/index.js'
import { intent, NOW, TERMS } from '../protocol/samples.fixture.js'
import { Deadlines } from '../system/index.js'
import { TimedCall } from './timed-call.js'
import { VirtualClock } from './virtual-clock.fixture.js'

const timesOf = (clock: VirtualClock) => ({ clock, deadlines: new Deadlines(clock) })

const wrappings: readonly (readonly [string, (call: Call) => Call])[] = [
  ['as it is', (call) => call],
  ['as a copy of it', (call) => ({ ...call })],
  ['as an object made from it', (call) => Object.create(call) as Call],
  ['behind a proxy', (call) => new Proxy(call, {})],
]

test.each(wrappings)('a call that is passed on %s keeps its deadline and its signal', (_how, wrap) => {
  const clock = new VirtualClock()
  const call = new TimedCall(begin(intent(), TERMS, NOW), {
    ...timesOf(clock),
    deadlineMs: clock.monotonicMs() + 1_000,
  })
  const { signal, remainingMs, reference } = wrap(call)
  expect(remainingMs()).toBe(1_000)
  expect(reference).toBe(intent().reference)
  expect(signal.aborted).toBe(false)
})

test.each(wrappings)(
  'a process that is woken past the deadline finds the signal of a call %s aborted',
  (_how, wrap) => {
    const clock = new VirtualClock()
    const call = new TimedCall(begin(intent(), TERMS, NOW), { ...timesOf(clock), deadlineMs: clock.monotonicMs() })
    expect(wrap(call).signal.aborted).toBe(true)
  },
)
