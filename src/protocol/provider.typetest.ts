import type { Call, Provider } from './index.js'

/**
 * Compiled with the tests, never run. The type demands a way out of doubt: a provider that has none, or says two things
 * at once, is an error here; the compiler complains where an expected error is missing.
 */
interface Order {
  readonly id: string
}

interface Charge {
  readonly id: string
}

declare const execute: (order: Order, call: Call) => Promise<Charge>
declare const find: (order: Order, call: Call) => Promise<Charge | null>

export const honoursKey: Provider<Order, Charge> = { execute, idempotencyKey: { window: '24h' } }
export const honoursKeyWithMargin: Provider<Order, Charge> = {
  execute,
  idempotencyKey: { window: '24h', margin: 60_000 },
}
export const canFind: Provider<Order, Charge> = { execute, find, settlesWithin: '30s' }
export const canDoBoth: Provider<Order, Charge> = {
  execute,
  find,
  settlesWithin: '30s',
  idempotencyKey: { window: '1h' },
}
export const parks: Provider<Order, Charge> = { execute, inDoubt: 'park' }

// @ts-expect-error no way out of doubt
export const noWayOut: Provider<Order, Charge> = { execute }

// @ts-expect-error nothing to execute
export const nothingToDo: Provider<Order, Charge> = { inDoubt: 'park' }

// @ts-expect-error a look-up is worth nothing without its lag
export const findWithoutLag: Provider<Order, Charge> = { execute, find }

// @ts-expect-error a lag of no look-up
export const lagWithoutFind: Provider<Order, Charge> = { execute, settlesWithin: '30s' }

// @ts-expect-error a lag beside a key, of no look-up
export const keyAndLag: Provider<Order, Charge> = { execute, idempotencyKey: { window: '1h' }, settlesWithin: '30s' }

// @ts-expect-error a key without the window in which it is honoured
export const keyWithoutWindow: Provider<Order, Charge> = { execute, idempotencyKey: {} }

// @ts-expect-error doubt is not retried
export const retriesDoubt: Provider<Order, Charge> = { execute, inDoubt: 'retry' }

// @ts-expect-error what can be asked has no reason to park at once
export const findsAndParks: Provider<Order, Charge> = { execute, find, settlesWithin: '30s', inDoubt: 'park' }

// @ts-expect-error a key that protects has no reason to park at once
export const keyAndParks: Provider<Order, Charge> = { execute, idempotencyKey: { window: '1h' }, inDoubt: 'park' }

// @ts-expect-error an explicit undefined is no way out
export const undefinedWayOut: Provider<Order, Charge> = { execute, idempotencyKey: undefined }

export const forgetsAbsence: Provider<Order, Charge> = {
  execute,
  // @ts-expect-error absent is null, said aloud: undefined is what a forgotten return gives
  find: async () => undefined,
  settlesWithin: '30s',
}

export const wrongReceipt: Provider<Order, Charge> = {
  execute,
  // @ts-expect-error a look-up gives the same receipt as the call
  find: async () => 'ch_1',
  settlesWithin: '30s',
}

export const unitless: Provider<Order, Charge> = {
  execute,
  // @ts-expect-error a duration as text has a unit
  idempotencyKey: { window: '24' },
}
