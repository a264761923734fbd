import type { MemoryTransaction } from '../../../journal/memory/index.js'
import type { CompensationOrder, Entry, Journal, LeaseService, RetentionTerms } from '../../../protocol/index.js'
import type { Database } from '../database.js'
import type { Again, Kind, Recorded } from './recording.js'

/** The moment of an event, and what it has changed. */
type Stamp = Pick<Recorded, 'nowMs' | 'who' | 'changed'>

/**
 * Takes down what the engines of one world ask of its journal, as far as it reaches the database, when it takes effect.
 * What throws is left out: it has written nothing.
 */
export class Recorder {
  readonly events: Recorded[] = []
  readonly #numbers = new Map<MemoryTransaction, number>()
  #rows: ReadonlyMap<string, Entry> = new Map()
  #journal: Journal<MemoryTransaction> | null = null

  /** The journal of `database` for the engine in the life `who`. */
  readonly listen = (database: Database, who: number): Journal<MemoryTransaction> => {
    const stamp = (): Stamp => ({ nowMs: database.nowMs, who, changed: this.#changes(database) })
    const journal = recorded(database.journal, new Notes(this.events, this.#numbers, stamp))
    this.#journal = journal
    return journal
  }

  /** Asks at the end for what the rows of entries do not show: former generations, and what has been undone. */
  async finish(): Promise<void> {
    const journal = this.#journal
    if (journal === null) return
    for (const id of this.#rows.keys()) await journal.earlierFingerprints(id)
    for (const order of this.#orders()) {
      await journal.compensations.read(order.undoId)
      await journal.compensations.undoneOf(order)
    }
  }

  #orders(): readonly CompensationOrder[] {
    return this.events.flatMap((event) =>
      event.what === 'called' && event.operation === 'compensations.begin'
        ? [event.arguments[0] as CompensationOrder]
        : [],
    )
  }

  // A row of the memory journal is never changed, but replaced.
  #changes(database: Database): readonly Entry[] {
    const before = this.#rows
    const rows = new Map(database.journal.entries().map((entry) => [entry.id, entry]))
    this.#rows = rows
    return [...rows.values()].filter((entry) => before.get(entry.id) !== entry)
  }
}

/** What one life has asked. */
class Notes {
  readonly #events: Recorded[]
  readonly #numbers: Map<MemoryTransaction, number>
  readonly #stamp: () => Stamp

  constructor(events: Recorded[], numbers: Map<MemoryTransaction, number>, stamp: () => Stamp) {
    this.#events = events
    this.#numbers = numbers
    this.#stamp = stamp
  }

  numberOf(tx: MemoryTransaction): number {
    const number = this.#numbers.get(tx)
    if (number === undefined) throw new Error('An operation in a transaction that never began.')
    return number
  }

  /** Asks `journal` and takes down its answer. */
  async call<Answer>(
    on: Again<MemoryTransaction>,
    called: { readonly operation: string; readonly arguments: readonly unknown[]; readonly kind?: Kind },
    ask: <Tx>(again: Again<Tx>) => Promise<Answer>,
  ): Promise<Answer> {
    const answer = await ask(on)
    this.#events.push({ what: 'called', kind: 'exact', ...called, ask, answer, ...this.#stamp() })
    return answer
  }

  /** A transaction begins. Heard of its end before all who wait for it, since nobody could wait so far. */
  opened(tx: MemoryTransaction, settles: Entry | null): void {
    const transaction = this.#numbers.size + 1
    this.#numbers.set(tx, transaction)
    this.#events.push({ what: 'opened', transaction, settles, ...this.#stamp() })
    let isCommitted = false
    tx.onCommit(() => {
      isCommitted = true
    })
    void tx.ended.then(() =>
      this.#events.push({ what: isCommitted ? 'committed' : 'rolled_back', transaction, ...this.#stamp() }),
    )
  }
}

function recorded(journal: Journal<MemoryTransaction>, notes: Notes): Journal<MemoryTransaction> {
  const on = (tx?: MemoryTransaction): Again<MemoryTransaction> => ({
    journal,
    inside: () => {
      if (tx === undefined) throw new Error('An operation outside of a transaction asked for one.')
      return tx
    },
    grant: (grant) => grant,
  })
  return {
    begin: (items) =>
      notes.call(on(), { operation: 'begin', arguments: [items] }, ({ journal }) => journal.begin(items)),
    enqueue: (tx, items) => {
      const asked = { operation: 'enqueue', arguments: [items] } as const
      if (tx === null) return notes.call(on(), asked, ({ journal }) => journal.enqueue(null, items))
      const number = notes.numberOf(tx)
      return notes.call(on(tx), asked, ({ journal, inside }) => journal.enqueue(inside(number), items))
    },
    claim: (id, terms) =>
      notes.call(on(), { operation: 'claim', arguments: [id, terms] }, ({ journal }) => journal.claim(id, terms)),
    claimDue: (effects, limit, first) =>
      notes.call(on(), { operation: 'claimDue', arguments: [effects, limit, first], kind: 'entries' }, ({ journal }) =>
        journal.claimDue(effects, limit, first),
      ),
    heads: (effects, limit) =>
      notes.call(on(), { operation: 'heads', arguments: [effects, limit], kind: 'due' }, ({ journal }) =>
        journal.heads(effects, limit),
      ),
    write: (writes) =>
      notes.call(on(), { operation: 'write', arguments: [writes] }, ({ journal }) => journal.write(writes)),
    beginAndWrite: (items, writes) =>
      notes.call(on(), { operation: 'beginAndWrite', arguments: [items, writes] }, async ({ journal }) => {
        const both = (await journal.beginAndWrite?.(items, writes)) ?? 'apart'
        if (both !== 'apart') return both
        return { begun: await journal.begin(items), written: await journal.write(writes) }
      }),
    renew: (renewal) =>
      notes.call(on(), { operation: 'renew', arguments: [renewal] }, ({ journal }) => journal.renew(renewal)),
    read: (ids) => notes.call(on(), { operation: 'read', arguments: [ids] }, ({ journal }) => journal.read(ids)),
    earlierFingerprints: (id) =>
      notes.call(on(), { operation: 'earlierFingerprints', arguments: [id] }, ({ journal }) =>
        journal.earlierFingerprints(id),
      ),
    await: (ids) => notes.call(on(), { operation: 'await', arguments: [ids] }, ({ journal }) => journal.await(ids)),
    // Wake-ups may be lost: what comes of them is asked for like anything else.
    subscribe: (listener) => journal.subscribe(listener),
    dueSettlements: (effects, limit) =>
      notes.call(on(), { operation: 'dueSettlements', arguments: [effects, limit], kind: 'due' }, ({ journal }) =>
        journal.dueSettlements(effects, limit),
      ),
    settle: async (id, handler, longestMs) => {
      let isOpen = false
      const noted: typeof handler = (tx, entry) => {
        isOpen = true
        notes.opened(tx, entry)
        return handler(tx, entry)
      }
      const result = await journal.settle(id, noted, longestMs)
      if (isOpen) return result
      const refuse = (): Promise<void> => Promise.reject(new Error(`Entry ${id} was settled where it could not be.`))
      return notes.call(
        { ...on(), journal: { ...journal, settle: async () => result } },
        { operation: 'settle', arguments: [id] },
        ({ journal }) => journal.settle(id, refuse),
      )
    },
    settlementFailed: (id, retryInMs) =>
      notes.call(on(), { operation: 'settlementFailed', arguments: [id, retryInMs] }, ({ journal }) =>
        journal.settlementFailed(id, retryInMs),
      ),
    nextDueInMs: (effects) =>
      notes.call(on(), { operation: 'nextDueInMs', arguments: [effects], kind: 'wait' }, ({ journal }) =>
        journal.nextDueInMs(effects),
      ),
    transaction: (work) =>
      journal.transaction((tx) => {
        notes.opened(tx, null)
        return work(tx)
      }),
    settleByEvidence: (write) =>
      notes.call(on(), { operation: 'settleByEvidence', arguments: [write] }, ({ journal }) =>
        journal.settleByEvidence(write),
      ),
    readGroup: (namespace, group) =>
      notes.call(on(), { operation: 'readGroup', arguments: [namespace, group] }, ({ journal }) =>
        journal.readGroup(namespace, group),
      ),
    lease: recordedLease(on(), notes),
    // A place means something to its own journal alone. In memory one step is the whole walk, so it is done again as one.
    retention: {
      begin: (share) => journal.retention.begin(share),
      step: async (terms) => {
        const asked = { operation: 'retention', arguments: [terms] } as const
        return { ...(await notes.call(on(), asked, ({ journal }) => walkedOver(journal, terms))), next: null }
      },
    },
    compensations: {
      begin: (tx, order) => {
        const number = notes.numberOf(tx)
        return notes.call(on(tx), { operation: 'compensations.begin', arguments: [order] }, ({ journal, inside }) =>
          journal.compensations.begin(inside(number), order),
        )
      },
      end: (tx, undoId, end) => {
        const number = notes.numberOf(tx)
        return notes.call(on(tx), { operation: 'compensations.end', arguments: [undoId, end] }, ({ journal, inside }) =>
          journal.compensations.end(inside(number), undoId, end),
        )
      },
      read: (undoId) =>
        notes.call(on(), { operation: 'compensations.read', arguments: [undoId] }, ({ journal }) =>
          journal.compensations.read(undoId),
        ),
      undoneOf: (operation) =>
        notes.call(on(), { operation: 'compensations.undoneOf', arguments: [operation] }, ({ journal }) =>
          journal.compensations.undoneOf(operation),
        ),
    },
    // The simulated application has none of these.
    deadSettlements: journal.deadSettlements,
    parked: journal.parked,
    audits: journal.audits,
    inbox: journal.inbox,
    close: () => journal.close(),
  }
}

async function walkedOver<Tx>(
  { retention }: Journal<Tx>,
  terms: RetentionTerms,
): Promise<{ readonly compacted: number; readonly purged: number }> {
  let [compacted, purged] = [0, 0]
  for (let place = await retention.begin(0); place !== null; ) {
    const step = await retention.step(terms, place)
    compacted += step.compacted
    purged += step.purged
    place = step.next
  }
  return { compacted, purged }
}

function recordedLease(on: Again<MemoryTransaction>, notes: Notes): LeaseService {
  return {
    acquire: (key, ttlMs, holder) =>
      notes.call(on, { operation: 'lease.acquire', arguments: [key, ttlMs, holder], kind: 'grant' }, ({ journal }) =>
        journal.lease.acquire(key, ttlMs, holder),
      ),
    renew: (grant, ttlMs) =>
      notes.call(on, { operation: 'lease.renew', arguments: [grant, ttlMs] }, (again) =>
        again.journal.lease.renew(again.grant(grant), ttlMs),
      ),
    release: (grant) =>
      notes.call(on, { operation: 'lease.release', arguments: [grant] }, ({ journal }) => journal.lease.release(grant)),
  }
}
