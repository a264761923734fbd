import { type Call, classifyError, type Outcome, type Provider } from '../../protocol/index.js'
import type { Ended, WatchedCall } from './observed.js'

interface Waiter {
  readonly wanted: (call: WatchedCall) => boolean
  readonly resolve: (call: WatchedCall) => void
}

/** Watches the calls of the user's functions, as one worker makes them. */
export class Watch {
  readonly calls: WatchedCall[] = []
  readonly #waiters = new Set<Waiter>()

  executes(): WatchedCall[] {
    return this.calls.filter(({ kind }) => kind === 'execute')
  }

  finds(): WatchedCall[] {
    return this.calls.filter(({ kind }) => kind === 'find')
  }

  /** Whose request it is that arrives now: of the latest call that runs, else of the latest that ran. */
  current(): WatchedCall | null {
    return this.calls.findLast(({ ended }) => ended === null) ?? this.calls.at(-1) ?? null
  }

  /** Whether a call runs that the engine has not given up. */
  get busy(): boolean {
    return this.calls.some(({ ended, call }) => ended === null && !call.signal.aborted)
  }

  /** Whether a call still runs though its time is over, or the engine is about to notice that. */
  get givenUp(): boolean {
    return this.calls.at(-1)?.ended === null && this.calls.at(-1)?.call.signal.aborted === true
  }

  /** The first call, from now on or already, that meets `wanted` when it begins or ends. */
  until(wanted: (call: WatchedCall) => boolean): Promise<WatchedCall> {
    const found = this.calls.find(wanted)
    if (found !== undefined) return Promise.resolve(found)
    return new Promise((resolve) => this.#waiters.add({ wanted, resolve }))
  }

  /** The same provider, watched. Only what a perform needs of it: it is never asked to undo or list anything. */
  provider(inner: Provider<unknown, unknown>): Provider<unknown, unknown> {
    const outcomeOf = (ended: Ended): Outcome['kind'] => (ended.ok ? 'executed' : judged(inner, ended.error))
    // By delegation and not by spreading: a provider may be an object with methods of its own.
    const base = {
      execute: (input: unknown, call: Call) => this.run('execute', call, () => inner.execute(input, call), outcomeOf),
      classify: (error: unknown) => inner.classify?.(error),
      ...(inner.externalId === undefined
        ? {}
        : { externalId: (receipt: unknown) => inner.externalId?.(receipt) ?? null }),
    }
    if (inner.find !== undefined) {
      const { settlesWithin } = inner
      return { ...base, settlesWithin, find: (input, call) => this.run('find', call, () => askOf(inner, input, call)) }
    }
    return { ...base, inDoubt: 'park' }
  }

  /** Runs one call of the user's function under watch. */
  async run<T>(
    kind: WatchedCall['kind'],
    call: Call,
    send: () => Promise<T>,
    outcomeOf?: (ended: Ended) => Outcome['kind'],
  ): Promise<T> {
    let end: () => void = () => undefined
    const done = new Promise<void>((resolve) => {
      end = resolve
    })
    const watched: WatchedCall = { kind, call, requests: [], ended: null, outcome: null, done }
    const ending = (ended: Ended): void => {
      watched.ended = ended
      watched.outcome = outcomeOf?.(ended) ?? null
      end()
      this.#tell(watched)
    }
    this.calls.push(watched)
    this.#tell(watched)
    try {
      const value = await send()
      ending({ ok: true, value })
      return value
    } catch (error) {
      ending({ ok: false, error })
      throw error
    }
  }

  #tell(call: WatchedCall): void {
    for (const waiter of this.#waiters) {
      if (!waiter.wanted(call)) continue
      this.#waiters.delete(waiter)
      waiter.resolve(call)
    }
  }
}

async function askOf(inner: Provider<unknown, unknown>, input: unknown, call: Call): Promise<unknown> {
  return inner.find?.(input, call)
}

function judged(inner: Provider<unknown, unknown>, error: unknown): Outcome['kind'] {
  try {
    return (inner.classify?.(error) ?? classifyError(error)).kind
  } catch {
    return classifyError(error).kind
  }
}
