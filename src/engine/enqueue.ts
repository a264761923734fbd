import {
  type Begun,
  ConfigurationError,
  type Duration,
  type Journal,
  type Enqueued as JournalEnqueued,
  KeyReuseError,
  type NotBefore,
  toMs,
} from '../protocol/index.js'
import type { Prepared } from './prepare.js'

/** In which transaction to enqueue, and from when on the effect may be made. */
export interface EnqueueOptions<Tx> {
  /**
   * Your own transaction: the effect exists once it commits, and never does if it rolls back. Default: a transaction of
   * its own, committed when the call returns.
   */
  readonly tx?: Tx
  /**
   * Not before this moment of the database's clock, or this long after the enqueueing by that clock; no clock of a process
   * shifts it. Default: at once.
   */
  readonly notBefore?: Date | Duration
}

/** An enqueued effect. */
export interface EnqueuedEffect {
  /** The entry's id. */
  readonly id: string
  /** What goes to the service. */
  readonly reference: string
  /** False: its key was known already, with the same input, so nothing was added. */
  readonly created: boolean
}

/**
 * The options, with the caller's transaction tied to what it is now: to be called before anything is awaited.
 *
 * @throws {ConfigurationError} it is no transaction.
 */
export function tied<Tx>(journal: Pick<Journal<Tx>, 'tie'>, options: EnqueueOptions<Tx>): EnqueueOptions<Tx> {
  const { tx } = options
  return tx === undefined || journal.tie === undefined ? options : { ...options, tx: journal.tie(tx) }
}

/** Writes prepared effects as pending entries, in the order given. @throws {KeyReuseError} */
export async function enqueuePrepared<Tx>(
  journal: Journal<Tx>,
  prepared: readonly Prepared[],
  options: EnqueueOptions<Tx>,
): Promise<EnqueuedEffect[]> {
  const notBefore = notBeforeOf(options.notBefore)
  const items = prepared.map(({ intent }) => ({ intent, notBefore }))
  const isCommitted = options.tx === undefined
  return enqueuedAs(journal, prepared, { enqueued: await journal.enqueue(options.tx ?? null, items), isCommitted })
}

/** What enqueueing has come to, effect by effect. @throws {KeyReuseError} */
export async function enqueuedAs<Tx>(
  journal: Journal<Tx>,
  prepared: readonly Prepared[],
  { enqueued, isCommitted }: { readonly enqueued: readonly JournalEnqueued[]; readonly isCommitted: boolean },
): Promise<EnqueuedEffect[]> {
  const words = isCommitted && prepared.length > 1 ? { next: OTHERS_STAND } : {}
  for (const [i, each] of prepared.entries()) await checkReuse(journal, each, enqueued[i], words)
  return prepared.map(({ intent: { id, reference } }, i) => ({ id, reference, created: enqueued[i]?.created === true }))
}

/** The same of an effect that has begun at once. */
export function asEnqueued({ created, entry }: Begun): JournalEnqueued {
  const { state, generation, fingerprint } = entry
  return { created, state, generation, fingerprint }
}

/** Of several inputs without a transaction of the caller's: there is nothing that the error could roll back. */
const OTHERS_STAND =
  'The other inputs of this call were accepted, all that reuse no key, and will be made; asking again for those adds ' +
  'nothing. Give this one another key; if only part of the input identifies it, name that part with `fingerprint`.'

// P7. In the caller's transaction, the error is what makes it roll back.
async function checkReuse<Tx>(
  journal: Journal<Tx>,
  { intent }: Prepared,
  enqueued: JournalEnqueued | undefined,
  words: { readonly next?: string },
): Promise<void> {
  if (enqueued === undefined || enqueued.fingerprint === intent.fingerprint) return
  const earlier = enqueued.generation === 1 ? [] : await journal.earlierFingerprints(intent.id)
  if (!earlier.includes(intent.fingerprint))
    throw new KeyReuseError({ ...intent, generation: enqueued.generation }, words)
}

function notBeforeOf(when: Date | Duration | undefined): NotBefore | null {
  if (when === undefined) return null
  if (!(when instanceof Date)) return { inMs: toMs(when, 'notBefore') }
  const atMs = when.getTime()
  if (!Number.isNaN(atMs)) return { atMs }
  throw new ConfigurationError('notBefore is an invalid Date. Nothing was written.')
}
