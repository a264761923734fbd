import { Inbox, type InboxOptions, type IncomingMessage, type Received } from '../inbox/index.js'
import {
  ConfigurationError,
  type Duration,
  type Journal,
  type LeaseService,
  ProtocolViolation,
  toMs,
} from '../protocol/index.js'
import { type RetentionOptions, retentionOf } from '../retention/index.js'
import { type Clock, Deadlines, type Keeper, type Randomness, realClock, realRandomness } from '../system/index.js'
import type { LeaseOptions } from './acquire-lease.js'
import { Caller } from './caller.js'
import { type Compensated, type CompensateOptions, Compensator } from './compensate.js'
import { type CompensateGroupOptions, compensateGroup, type GroupCompensated } from './compensate-group.js'
import { type Context, type Hooks, tell } from './context.js'
import { Core } from './core.js'
import { Drives } from './drives.js'
import type { Effect, RuntimeEffect } from './effect.js'
import { asEnqueued, type EnqueuedEffect, type EnqueueOptions, enqueuedAs, enqueuePrepared, tied } from './enqueue.js'
import { Guards } from './guards/index.js'
import { startKeepers } from './keepers.js'
import { type Prepared, prepare } from './prepare.js'
import { settingsOf } from './settings.js'
import { checkTurns } from './turns.js'
import { withUndoEffects } from './undo-effect.js'
import { type Lease, withLease } from './with-lease.js'
import { Worker } from './worker.js'

/** How an application sets Counterfoil up. */
export interface CounterfoilOptions<Tx> {
  readonly journal: Journal<Tx>
  /** The effects that this process knows. Entries of others are left for processes that know them. */
  readonly effects: readonly RuntimeEffect<Tx>[]
  /**
   * Separates applications that share a journal or an account at a service. Default `'default'`. Part of the identity of
   * every entry and of every reference, for ever: under another one each key is new, and what was charged under it can be
   * charged again. 1 to 512 characters.
   */
  readonly namespace?: string
  readonly hooks?: Hooks
  /** Keeps effects of one `serializeBy` one at a time, and serves `withLease`. Default: rows beside the journal. */
  readonly lease?: LeaseService
  /**
   * Entries that `start()`'s loop carries at the same time in this process. Default 32. An effect whose `settled` handler
   * waits for one of the process's four places counts too, unless the handlers hang.
   */
  readonly concurrency?: number
  /**
   * Calls that `perform` has under way at the same time in this process; further callers wait their turn, before any
   * lease is taken. Default 256. Raise it only if the service is slow and stands it.
   */
  readonly maxUnderWay?: number
  /** The longest that `start()`'s loop sleeps when nothing wakes it: above 0. Default 1 s. */
  readonly pollInterval?: Duration
  /**
   * The longest that a `settled` handler may run; one that hangs would keep its place, and its connection, for ever. After
   * that it is given up, its transaction rolled back, and it runs again as one that failed. Default 1 min.
   */
  readonly settledTimeout?: Duration
  /** For how long received messages are known. Default 7 days. */
  readonly inbox?: InboxOptions
  /** When old entries become compact and are purged, of the effects that this process knows. Default: never. */
  readonly retention?: RetentionOptions
  /** Time, for a simulator. Default: the machine's. */
  readonly clock?: Clock
  /** Randomness, for a simulator. Default: the machine's. */
  readonly randomness?: Randomness
}

/** How one caller waits. */
export interface PerformOptions {
  /**
   * How long to wait for the outcome before `EffectInDoubt` is thrown; the effect goes on regardless. Default 60 s. Who
   * asks for what another waits for may share his promise, and so have up to a hundredth of it less.
   */
  readonly wait?: Duration
  /** Stops the waiting, not the effect. */
  readonly signal?: AbortSignal
  /**
   * Which generation is meant. Default: whichever is current. `n + 1`, once generation `n` has been rejected, makes a
   * new try; a redelivered message that names its generation can never start another by accident (P6).
   */
  readonly generation?: number
}

const DEFAULT_WAIT_MS = 60_000

interface Internals<Tx> {
  readonly core: Core<Tx>
  readonly compensator: Compensator<Tx>
  readonly inbox: Inbox<Tx>
}

let internals: <Tx>(counterfoil: Counterfoil<Tx>) => Internals<Tx>

/** What audits and consumers, above the engine, work with; no part of what users see of the class. */
export function internalsOf<Tx>(counterfoil: Counterfoil<Tx>): Internals<Tx> {
  return internals(counterfoil)
}

/**
 * Makes calls to external services take effect effectively once.
 *
 * `Tx` is the journal's transaction, as `settled` handlers see it.
 */
export class Counterfoil<Tx = unknown> {
  static {
    internals = (counterfoil) => ({
      core: counterfoil.#core,
      compensator: counterfoil.#compensator,
      inbox: counterfoil.#inbox,
    })
  }

  readonly #core: Core<Tx>
  readonly #workerOptions: { readonly concurrency: number; readonly pollMs: number }
  readonly #drives: Drives<Tx>
  readonly #compensator: Compensator<Tx>
  readonly #inbox: Inbox<Tx>
  #running: { readonly worker: Worker<Tx>; readonly started: Promise<void> } | null = null
  #keepers: readonly Keeper[] = []

  /** @throws {ConfigurationError} when two effects share a name, or an option makes no sense. */
  constructor(options: CounterfoilOptions<Tx>) {
    const randomness = options.randomness ?? realRandomness
    const { namespace, concurrency, pollMs, maxUnderWay, settledTimeoutMs } = settingsOf(options)
    this.#workerOptions = { concurrency, pollMs }
    const clock = options.clock ?? realClock
    const effects = withUndoEffects(byName(options.effects), options.journal, namespace)
    const lease = options.lease ?? options.journal.lease
    checkTurns(lease, effects.values())
    const context: Context<Tx> = {
      journal: options.journal,
      lease,
      effects,
      namespace,
      owner: randomness.token(),
      clock,
      deadlines: new Deadlines(clock),
      randomness,
      hooks: options.hooks ?? {},
      settledTimeoutMs,
      guards: new Guards(effects.values(), {
        clock,
        randomness,
        onError: (error) => tell(() => options.hooks?.onError?.(error)),
      }),
      retention: retentionOf(options.retention ?? {}, { namespace, effects: [...effects.keys()] }),
    }
    this.#inbox = new Inbox(options.journal, namespace, options.inbox ?? {})
    this.#core = new Core(context, maxUnderWay)
    this.#drives = new Drives(this.#core)
    this.#compensator = new Compensator(this.#core, (effect, input, { waitMs, signal }) =>
      this.#perform(effect, input, { wait: waitMs, signal, joins: true }),
    )
  }

  /**
   * Makes the effect happen now, once. All callers with its key, in this process or another, get the one receipt.
   *
   * @throws {EffectRejected} it did not happen, and why.
   * @throws {EffectInDoubt} not known within `wait`, or parked: it may have happened. Never repeat it by other means.
   * @throws {EffectNotBegun} not begun within `wait`, for all that is under way here: nothing was written or sent.
   * @throws {EffectCompensated} it happened, and was undone since or is being undone.
   * @throws {EffectCompacted} it happened so long ago that the `retention` has let its receipt go.
   * @throws {KeyReuseError} the key stands for another input.
   * @throws {GenerationNotOpenError} the generation that was asked for cannot begin.
   * @throws {InvalidInputError} {@link InvalidKeyError} nothing was written or sent.
   * @throws {InvalidReceiptError} it happened, but its receipt does not match the schema.
   * @throws {JournalError} the journal has not confirmed within `wait` that it knows of it, or cannot be used. Its message
   * says what is known; ask again with the same key.
   */
  perform<Raw, Receipt>(
    effect: Effect<Raw, Receipt, Tx>,
    input: NoInfer<Raw>,
    options: PerformOptions = {},
  ): Promise<Receipt> {
    return this.#perform(effect, input, options) as Promise<Receipt>
  }

  /**
   * Undoes an executed effect through its provider's `cancel`, all of it or a part, as an effect of its own that is keyed
   * by the external id (P10): asking again joins what stands. What is in doubt is first resolved by evidence, and undone
   * only if it happened; what has not been begun is called off. Never more is given back than remains.
   *
   * @throws {CompensationRefused} it was not undone and stands, or there was nothing to undo: its `reason` says which.
   * Its code is `compacted` where the `retention` has let input and receipt go: undo it at the service, by its id there.
   * @throws {EffectInDoubt} whether it happened, or (of the undoing's identity) whether it is undone, is not known within
   * `wait`. Nothing is lost; ask again with the same.
   * @throws {KeyReuseError} the `refundKey` stands for another amount.
   * @throws {ConfigurationError} the amount or the options make no sense.
   */
  async compensate<Raw, Receipt>(
    effect: Effect<Raw, Receipt, Tx>,
    key: string,
    options: CompensateOptions,
  ): Promise<Compensated> {
    this.#known(effect)
    return this.#compensator.compensate(effect, key, options)
  }

  /**
   * Undoes the effects of one business operation (those whose `group` said so), the last executed first, one after the
   * other. It goes on where one cannot be undone, and tells exactly what was undone, what was not and why.
   *
   * @throws {JournalError} the journal could not be reached; what was undone before stays undone. Ask again.
   */
  compensateGroup(group: string, options: CompensateGroupOptions): Promise<GroupCompensated> {
    return compensateGroup(this.#core.context, this.#compensator, group, options)
  }

  #perform(
    effect: RuntimeEffect<Tx>,
    input: unknown,
    options: { readonly [Name in keyof PerformOptions]: PerformOptions[Name] | undefined } & { readonly joins?: true },
  ): Promise<unknown> {
    try {
      this.#known(effect)
      const waitMs = options.wait === undefined ? DEFAULT_WAIT_MS : toMs(options.wait, 'wait')
      const waits = { waitMs, signal: options.signal }
      const generation = checkGeneration(options.generation)
      const joins = options.joins === true
      const ask = (prepared: Prepared): Promise<unknown> => {
        const drive = this.#drives.for({ effect, prepared, generation, joins })
        return drive.promised(waits) ?? new Caller(drive, this.#core.context.deadlines, waits).promise
      }
      const preparing = prepare(effect, this.#core.context.namespace, input, generation ?? 1)
      return preparing instanceof Promise ? preparing.then(ask) : ask(preparing)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Accepts the effect, to be made by a dispatcher (any process that has called `start`): inside your own transaction
   * `tx`, so that it exists if and only if your state does. Enqueueing a known key with the same input adds nothing.
   * Without a `tx`, the dispatcher of this process may begin it in the same commit (docs/dispatcher.md says when).
   *
   * @throws {KeyReuseError} the key stands for another input. Let it roll your transaction back.
   * @throws {ConfigurationError} `tx` is no open transaction: nothing was written. Await its begin, and await this before its end.
   * @throws {InvalidInputError} {@link InvalidKeyError} nothing was written.
   */
  async enqueue<Raw, Receipt>(
    effect: Effect<Raw, Receipt, Tx>,
    input: NoInfer<Raw>,
    options: EnqueueOptions<Tx> = {},
  ): Promise<EnqueuedEffect> {
    const [enqueued] = await this.enqueueMany(effect, [input], options)
    if (enqueued === undefined) throw new ProtocolViolation('Enqueueing one effect told of none.')
    return enqueued
  }

  /**
   * Like `enqueue`, for many inputs in one statement; their order is the order for `serializeBy`.
   *
   * @throws {KeyReuseError} a key stands for another input. With a `tx`, let it roll your transaction back; without one,
   * the inputs that reuse no key were accepted. Asking again for them adds nothing.
   * @throws {ConfigurationError} {@link InvalidInputError} {@link InvalidKeyError} as `enqueue`: nothing was written.
   * @throws {JournalError} without a `tx`, some may have been written: ask again with the same.
   */
  async enqueueMany<Raw, Receipt>(
    effect: Effect<Raw, Receipt, Tx>,
    inputs: readonly NoInfer<Raw>[],
    options: EnqueueOptions<Tx> = {},
  ): Promise<EnqueuedEffect[]> {
    this.#known(effect)
    const { journal, namespace } = this.#core.context
    const own = tied(journal, options)
    const prepared = await Promise.all(inputs.map((input) => prepare(effect, namespace, input, 1)))
    // In the user's transaction they are not there before it has committed, of which only the journal can tell.
    const worker = options.tx === undefined ? this.#running?.worker : undefined
    if (options.notBefore === undefined) {
      const intents = prepared.map(({ intent }) => intent)
      const begun = await worker?.begin(effect, intents)
      if (begun) return enqueuedAs(journal, prepared, { enqueued: begun.map(asEnqueued), isCommitted: true })
    }
    const enqueued = await enqueuePrepared(journal, prepared, own)
    worker?.wake()
    return enqueued
  }

  /**
   * Receives a message once: its id, what `handler` writes in `tx` (enqueued effects too) and what it returns are
   * committed together, or nothing is. A duplicate runs no handler and is told what the first one returned; one that
   * comes meanwhile waits for that. Acknowledge the message after this has returned, and have it delivered again after
   * it has thrown. See docs/inbox.md for the window in which duplicates are known.
   *
   * @throws what the handler throws: nothing was written.
   * @throws {InvalidMessageError} {@link InvalidInputError} the message cannot be named, or the result is no JSON:
   * nothing was written.
   * @throws {JournalError} its message says whether it was written. Delivered again, it is received once either way.
   */
  receive<Result>(message: IncomingMessage, handler: (tx: Tx) => Promise<Result> | Result): Promise<Received<Result>> {
    return this.#inbox.receive(message, handler)
  }

  /**
   * Runs `work` while holding the lease of `key`: one at a time among all processes. See docs/leases.md for what a lease
   * can and cannot promise toward a service that checks no token.
   *
   * The key is the lease service's as it stands, without the `namespace`: applications that share a journal share its
   * leases, and wait for each other where they use the same key.
   *
   * @throws {LeaseUnavailable} not granted within `wait`; `work` was not called.
   * @throws {LeaseLostError} lost before `work` ended.
   */
  withLease<T>(
    key: string,
    options: Pick<LeaseOptions, 'ttl' | 'wait' | 'signal'>,
    work: (lease: Lease) => Promise<T>,
  ): Promise<T> {
    const { lease, clock, randomness } = this.#core.context
    return withLease(lease, key, { ...options, clock, randomness }, work)
  }

  /**
   * Starts the loop that carries what is due in the journal: ends doubts, takes over from lost workers, retries, runs
   * `settled` handlers, forgets old messages and leases, lets old entries age. Run it in at least one process.
   *
   * @throws {JournalError} when the journal cannot be used. Nothing runs then; call it again.
   */
  async start(): Promise<void> {
    if (this.#running === null) {
      const worker = new Worker(this.#core, this.#workerOptions)
      this.#running = { worker, started: this.#begin(worker) }
    }
    await this.#running.started
  }

  async #begin(worker: Worker<Tx>): Promise<void> {
    const isOurs = (): boolean => this.#running?.worker === worker
    try {
      await worker.start()
    } catch (error) {
      // Left standing, it would pass for a loop that runs.
      if (isOurs()) this.#running = null
      throw error
    }
    // Unless it was stopped meanwhile.
    if (isOurs()) this.#keepers = startKeepers(this.#core.context)
  }

  /** Takes nothing more, lets calls under way end inside their deadline, and resolves when this process carries nothing. */
  async stop(): Promise<void> {
    const worker = this.#running?.worker
    this.#running = null
    const keepers = this.#keepers
    this.#keepers = []
    await Promise.all([worker?.stop(), ...keepers.map((keeper) => keeper.stop())])
    await this.#core.idle()
    this.#core.waiters.close()
  }

  #known(effect: RuntimeEffect<Tx>): void {
    if (this.#core.context.effects.get(effect.name) === effect) return
    throw new ConfigurationError(
      `The effect ${JSON.stringify(effect.name)} is not among the effects of this Counterfoil. Add it to \`effects\`, so that doubts about it can be ended later.`,
    )
  }
}

function byName<Tx>(effects: readonly RuntimeEffect<Tx>[]): ReadonlyMap<string, RuntimeEffect<Tx>> {
  const map = new Map<string, RuntimeEffect<Tx>>()
  for (const effect of effects) {
    if (map.has(effect.name)) throw new ConfigurationError(`Two effects are named ${JSON.stringify(effect.name)}.`)
    map.set(effect.name, effect)
  }
  return map
}

function checkGeneration(generation: number | undefined): number | null {
  if (generation === undefined) return null
  if (Number.isInteger(generation) && generation >= 1) return generation
  throw new ConfigurationError(`generation is ${generation}: it must be a whole number from 1.`)
}
