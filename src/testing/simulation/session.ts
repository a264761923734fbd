import type { MemoryTransaction } from '../../journal/memory/index.js'
import {
  type Begun,
  type BegunAndWritten,
  type Claimed,
  type ClaimTerms,
  type CompensationStore,
  type DueFirst,
  type EffectTerms,
  type Enqueued,
  type Entry,
  type EvidenceWrite,
  type Head,
  type InboxStore,
  type Intent,
  type Journal,
  JournalError,
  type JournalWrite,
  type LeaseService,
  LeaseUnavailable,
  type NotBefore,
  type Renewal,
  type RetentionStep,
  type RetentionStore,
  type Seen,
  type SettlementResult,
  type Written,
} from '../../protocol/index.js'
import { Connection, lost } from './connection.js'
import type { Database } from './database.js'
import type { Scene } from './scene.js'
import type { Life } from './worker.js'

const READS = { changed: () => false }
const CHANGES = { changed: () => true }

/**
 * One life's connections to the database: the Journal port of its engine. A statement takes time to arrive, is carried
 * out at one moment, and its answer takes time to come back; each of the three can go wrong.
 */
export class Session implements Journal<MemoryTransaction> {
  readonly #scene: Scene
  readonly #database: Database
  readonly #life: Life
  readonly #journal: Journal<MemoryTransaction>
  readonly #connection: Connection

  readonly lease: LeaseService
  readonly compensations: CompensationStore<MemoryTransaction>
  readonly deadSettlements: Journal['deadSettlements']
  readonly parked: Journal['parked']
  readonly audits: Journal['audits']
  readonly inbox: InboxStore<MemoryTransaction>
  readonly retention: RetentionStore

  constructor(scene: Scene, database: Database, life: Life) {
    this.#scene = scene
    this.#database = database
    this.#life = life
    this.#journal = database.journalOf(life.who)
    this.lease = this.#leaseOver(this.#journal.lease)
    this.deadSettlements = this.#journal.deadSettlements
    this.parked = this.#journal.parked
    this.audits = this.#journal.audits
    this.#connection = new Connection(scene, database, life)
    this.retention = this.#retentionOver(this.#journal.retention)
    this.inbox = this.#inboxOver(this.#journal.inbox)
    this.compensations = this.#compensationsOver(this.#journal.compensations)
  }

  begin(
    items: readonly { readonly intent: Intent; readonly terms: ClaimTerms }[],
  ): Promise<readonly (Begun | JournalError)[]> {
    return this.#connection.ask(
      'begin',
      {
        changed: (begun: readonly (Begun | JournalError)[]) => begun.some((each) => 'created' in each && each.created),
      },
      () => this.#journal.begin(items),
    )
  }

  #retentionOver(store: RetentionStore): RetentionStore {
    const changed = ({ compacted, purged }: RetentionStep): boolean => compacted + purged > 0
    return {
      begin: (share) => this.#connection.ask('retention', READS, () => store.begin(share)),
      step: (terms, place) => this.#connection.ask('retention', { changed }, () => store.step(terms, place)),
    }
  }

  #compensationsOver(store: CompensationStore<MemoryTransaction>): CompensationStore<MemoryTransaction> {
    const connection = this.#connection
    return {
      begin: (tx, order) => connection.askInside('compensations', tx, () => store.begin(tx, order)),
      end: (tx, undoId, end) => connection.askInside('compensations', tx, () => store.end(tx, undoId, end)),
      read: (undoId) => connection.ask('compensations', READS, () => store.read(undoId)),
      undoneOf: (operation) => connection.ask('compensations', READS, () => store.undoneOf(operation)),
    }
  }

  #inboxOver(store: InboxStore<MemoryTransaction>): InboxStore<MemoryTransaction> {
    const connection = this.#connection
    return {
      take: (tx, message) => connection.askInside('inbox', tx, () => store.take(tx, message)),
      decide: (tx, id, result) => connection.askInside('inbox', tx, () => store.decide(tx, id, result)),
      // What a consumer does whose handler fails: none of these does.
      countRedelivery: (message) => store.countRedelivery(message),
      noteFailure: (message, failure) => store.noteFailure(message, failure),
      purge: (limit) => store.purge(limit),
    }
  }

  enqueue(
    tx: MemoryTransaction | null,
    items: readonly { readonly intent: Intent; readonly notBefore: NotBefore | null }[],
  ): Promise<readonly Enqueued[]> {
    if (tx === null) return this.transaction((own) => this.enqueue(own, items))
    return this.#connection.askInside('enqueue', tx, () => this.#journal.enqueue(tx, items))
  }

  claim(id: string, terms: ClaimTerms): Promise<Claimed | null> {
    return this.#connection.ask('claim', { changed: (taken: Claimed | null) => taken?.claimed === true }, () =>
      this.#watchClaims(() => this.#journal.claim(id, terms), [id]),
    )
  }

  claimDue(effects: readonly EffectTerms[], limit: number, first?: DueFirst): Promise<readonly Seen[]> {
    const names = effects.map(({ effect }) => effect)
    this.#scene.checks.takes(this.#life, names, limit)
    return this.#connection.ask('claimDue', { changed: (taken: readonly Seen[]) => taken.length > 0 }, () =>
      this.#watchClaims(() => this.#journal.claimDue(effects, limit, first)),
    )
  }

  write(writes: readonly JournalWrite[]): Promise<readonly (Written | JournalError)[]> {
    return this.#connection.ask('write', { ...CHANGES, repeatable: true }, () =>
      this.#database.watchWrite(writes, () => this.#journal.write(writes)),
    )
  }

  beginAndWrite(
    items: readonly { readonly intent: Intent; readonly terms: ClaimTerms }[],
    writes: readonly JournalWrite[],
  ): Promise<BegunAndWritten | 'apart' | 'blocked'> {
    const changed = (done: BegunAndWritten | string): boolean =>
      typeof done !== 'string' && (writes.length > 0 || done.begun.some((each) => 'created' in each && each.created))
    return this.#connection.ask('beginAndWrite', { changed }, () =>
      this.#database.watchBoth(writes, async () => (await this.#journal.beginAndWrite?.(items, writes)) ?? 'apart'),
    )
  }

  renew(renewal: Renewal): Promise<Begun | null> {
    return this.#connection.ask('renew', CHANGES, () => this.#journal.renew(renewal))
  }

  read(ids: readonly string[]): Promise<readonly (Seen | null)[]> {
    return this.#connection.ask('read', READS, () => this.#journal.read(ids))
  }

  earlierFingerprints(id: string): Promise<readonly string[]> {
    return this.#connection.ask('earlierFingerprints', READS, () => this.#journal.earlierFingerprints(id))
  }

  await(ids: readonly string[]): Promise<readonly (Seen | null)[]> {
    return this.#connection.ask('await', READS, () => this.#journal.await(ids))
  }

  /** A wake-up travels like any message, and may be lost. */
  subscribe(listener: (id: string) => void): () => void {
    return this.#journal.subscribe((id) => {
      if (!this.#life.alive) return
      const point = this.#life.point()
      if (this.#scene.fates.strikes('notice_lost', point)) return
      this.#life.hears(this.#scene.fates.spread('answer', point, 0.2, 3), () => listener(id))
    })
  }

  dueSettlements(
    effects: readonly { readonly namespace: string; readonly effect: string }[],
    limit: number,
  ): Promise<readonly string[]> {
    return this.#connection.ask('dueSettlements', READS, () => this.#journal.dueSettlements(effects, limit))
  }

  settle(
    id: string,
    handler: (tx: MemoryTransaction, entry: Entry) => Promise<void>,
    longestMs?: number,
  ): Promise<SettlementResult> {
    return this.#connection.ask('settle', CHANGES, () =>
      this.#journal.settle(id, (tx, entry) => this.#inTransaction(tx, () => handler(tx, entry)), longestMs),
    )
  }

  settlementFailed(id: string, retryInMs: number | null): Promise<void> {
    return this.#connection.ask('settlementFailed', CHANGES, () => this.#journal.settlementFailed(id, retryInMs))
  }

  nextDueInMs(effects: readonly { readonly namespace: string; readonly effect: string }[]): Promise<number | null> {
    return this.#connection.ask('nextDueInMs', READS, () => this.#journal.nextDueInMs(effects))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** A transaction of the application's own: its commit may be lost like any statement. */
  transaction<Result>(work: (tx: MemoryTransaction) => Promise<Result>): Promise<Result> {
    return this.#connection.ask('transaction', CHANGES, () =>
      this.#journal.transaction((tx) => this.#inTransaction(tx, () => work(tx))),
    )
  }

  settleByEvidence(write: EvidenceWrite): Promise<Seen | null> {
    return this.#connection.ask('settleByEvidence', CHANGES, () => this.#journal.settleByEvidence(write))
  }

  readGroup(namespace: string, group: string): Promise<readonly Entry[]> {
    return this.#connection.ask('readGroup', READS, () => this.#journal.readGroup(namespace, group))
  }

  heads(
    effects: readonly { readonly namespace: string; readonly effect: string }[],
    limit: number,
  ): Promise<readonly Head[]> {
    return this.#connection.ask('heads', READS, () => this.#journal.heads(effects, limit))
  }

  #leaseOver(service: LeaseService): LeaseService {
    const ask = <T>(operation: keyof LeaseService, key: string, carryOut: () => Promise<T>): Promise<T> =>
      this.#connection
        .ask(operation, READS, () => this.#touching(carryOut))
        .catch((error: unknown) => {
          throw error instanceof JournalError ? new LeaseUnavailable(key, 'unreachable', error.message) : error
        })
    return {
      acquire: (key, ttlMs, holder) =>
        ask('acquire', key, async () => {
          const grant = await service.acquire(key, ttlMs, holder)
          // A lease service may lie; whose turn it is, and who may write, is the journal's word.
          const lies = grant === null && this.#scene.fates.strikes('lease_lies', this.#life.point())
          return lies ? { key, fence: 1, holder } : grant
        }),
      renew: (grant, ttlMs) => ask('renew', grant.key, () => service.renew(grant, ttlMs)),
      release: (grant) => ask('release', grant.key, () => service.release(grant)),
    }
  }

  async #touching<T>(carryOut: () => Promise<T>): Promise<T> {
    const result = await carryOut()
    this.#database.touched()
    return result
  }

  /** One statement inside an open transaction: time passes, and the connection may be gone afterwards. */
  async statement(tx: MemoryTransaction): Promise<void> {
    await this.#connection.turn()
    if (!tx.isOpen) throw lost('the connection was closed in the middle of a transaction')
  }

  // BEGIN has been answered; then the body's own statements; then COMMIT.
  async #inTransaction<Result>(tx: MemoryTransaction, body: () => Promise<Result>): Promise<Result> {
    // What a dead process had sent may still arrive, but nobody is left to go on with it.
    if (!this.#life.alive) throw lost('the client is gone')
    this.#database.opened(tx, this.#life.who)
    try {
      await this.statement(tx)
      const result = await body()
      if (this.#scene.fates.strikes('transaction_killed', this.#life.point())) {
        this.#tell('is cut off before its commit')
        throw lost('the connection was closed before the commit')
      }
      if (!tx.isOpen) throw lost('the connection was closed in the middle of a transaction')
      this.#database.committing(tx)
      await this.#connection.arrival()
      if (!tx.isOpen) throw lost('the connection was closed at the commit')
      return result
    } finally {
      this.#database.closed(tx)
    }
  }

  async #watchClaims<T extends Claimed | null | readonly Seen[]>(
    claim: () => Promise<T>,
    ids: readonly string[] = [],
  ): Promise<T> {
    const before = this.#database.rows
    const claimed = await claim()
    const taken = Array.isArray(claimed)
      ? (claimed as readonly Seen[]).map(({ entry }) => entry.id)
      : ids.filter(() => claimed !== null && 'claimed' in claimed && claimed.claimed)
    this.#scene.checks.claimed(taken, before)
    return claimed
  }

  #tell(what: string): void {
    this.#scene.timeline?.tell(this.#life.name, what)
  }
}
