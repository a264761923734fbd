import type { Pool } from 'pg'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect, type Effect } from '../engine/index.js'
import { postgresJournal } from '../journal/postgres/index.js'
import {
  type CancelRequest,
  type ExternalOperation,
  entryId,
  fingerprint,
  type Intent,
  type Journal,
  type ListWindow,
  type Provider,
  reference,
  transition,
} from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { type Charge, type Operation, type Order, PlantedService } from './planted-service.fixture.js'

export const CENTS = 1_000
export const MINUTE_MS = 60_000
export const SETTLES_WITHIN_MS = MINUTE_MS
export const SKEW_MS = 1_000

/** A journal that many worlds share, each in a namespace of its own. */
export interface Ground {
  readonly pool: Pool
  readonly schema: string
  readonly journal: Journal
}

/** Makes a journal in `schema`, with its tables. */
export async function groundIn(pool: Pool, schema: string): Promise<Ground> {
  const journal = postgresJournal(pool, { schema, listen: false }) as Journal
  await journal.read([])
  return { pool, schema, journal }
}

/** One application, its journal and the service, in a namespace of its own. */
export class World {
  readonly namespace: string
  readonly service = new PlantedService()
  readonly journal: Journal
  readonly effect: Effect<Order, Charge>
  readonly counterfoil: Counterfoil
  readonly nowMs = realClock.wallMs()
  readonly #pool: Pool
  readonly #schema: string
  #ids = 0

  constructor(ground: Ground, namespace: string, changes: Partial<Provider<Order, Charge>> = {}) {
    this.namespace = namespace
    this.#pool = ground.pool
    this.#schema = ground.schema
    this.journal = ground.journal
    const provider = {
      execute: async () => Promise.reject(new Error('Nothing is executed here.')),
      inDoubt: 'park',
      amount: (_receipt: Charge, order: Order) => ({ minorUnits: order.cents, currency: 'eur' }),
      cancel: async (request: CancelRequest<Charge>) => this.service.undo(request),
      list: (window: ListWindow) => this.service.list(window),
      ...changes,
    } as Provider<Order, Charge>
    this.effect = defineEffect<Order, Charge>({ name: 'charge', key: (order) => order.id, provider })
    this.counterfoil = new Counterfoil({ journal: this.journal, effects: [this.effect], namespace })
  }

  get options() {
    return {
      from: new Date(this.nowMs - 60 * MINUTE_MS),
      settlesWithin: SETTLES_WITHIN_MS,
      clockSkew: SKEW_MS,
    } as const
  }

  newKey(name: string): string {
    this.#ids++
    return `${name}-${this.#ids}`
  }

  reference(key: string, generation = 1): string {
    return reference(this.namespace, 'charge', key, generation)
  }

  /** Plants an operation at the service, made `agoMs` ago. */
  plant(key: string | null, agoMs: number, changes: Partial<ExternalOperation> = {}): ExternalOperation {
    this.#ids++
    const operation: Operation = {
      externalId: `ch_${this.namespace}_${this.#ids}`,
      reference: key === null ? null : this.reference(key),
      key,
      createdAtMs: this.nowMs - agoMs,
      state: 'live',
      amount: { minorUnits: CENTS, currency: 'eur', undoneMinorUnits: 0 },
      ...changes,
    }
    this.service.operations.push(operation)
    return operation
  }

  /** Writes entries through the journal, and ages them. */
  async record(entries: readonly PlantedEntry[]): Promise<void> {
    if (entries.length === 0) return
    const terms = { owner: 'planter', leaseMs: 3_600_000, timeoutMs: 1_000 }
    const begun = await this.journal.begin(entries.map((each) => ({ intent: this.#intent(each.key), terms })))
    const writes = entries.flatMap((planted, i) => {
      const made = begun[i]
      if (made === undefined || made instanceof Error) throw new Error('It was not begun.')
      if (planted.state === 'executing') return []
      const change = transition(made.entry, {
        type: 'attempt_ended',
        outcome: outcomeOf(planted),
        callOver: true,
        retryInMs: 3_600_000,
        maxAttempts: 3,
      })
      return [{ id: made.entry.id, fence: made.entry.fence, owner: 'planter', change }]
    })
    await this.journal.write(writes)
    await this.#age(entries)
  }

  async #age(entries: readonly PlantedEntry[]): Promise<void> {
    const aged = (column: string) => `e.${column} - a.ago_ms * interval '1 millisecond'`
    const ago = (column: string) => `${column} = ${aged(column)}`
    await this.#pool.query(
      `UPDATE ${this.#schema}.entries AS e
       SET ${['created_at', 'updated_at', 'first_sent_at', 'last_deadline_at', 'in_doubt_since'].map(ago).join(', ')},
         state = coalesce(a.state, e.state), due_at = CASE WHEN a.state IS NULL THEN e.due_at END,
         parked_at = CASE a.state WHEN 'parked' THEN ${aged('updated_at')} END
       FROM unnest($1::uuid[], $2::float8[], $3::text[]) AS a (id, ago_ms, state) WHERE e.id = a.id`,
      [
        entries.map((each) => entryId(this.namespace, 'charge', each.key)),
        entries.map((each) => each.agoMs),
        entries.map((each) => (each.state === 'compensated' || each.state === 'parked' ? each.state : null)),
      ],
    )
  }

  #intent(key: string): Intent {
    const input = { id: key, cents: CENTS }
    return {
      ...{ id: entryId(this.namespace, 'charge', key), namespace: this.namespace, effect: 'charge', key },
      ...{ generation: 1, reference: this.reference(key), input, fingerprint: fingerprint(input) },
      ...{ serializeKey: null, group: null, hasSettledHandler: false },
    }
  }

  async stateOf(key: string): Promise<string | undefined> {
    const [seen] = await this.journal.read([entryId(this.namespace, 'charge', key)])
    return seen?.entry.state
  }
}

/** An entry to plant. */
export interface PlantedEntry {
  readonly key: string
  readonly agoMs: number
  readonly state: 'succeeded' | 'failed' | 'in_doubt' | 'parked' | 'executing' | 'compensated'
  readonly externalId?: string
}

function outcomeOf(planted: PlantedEntry) {
  const reason = { code: 'planted', message: 'It was planted.' }
  switch (planted.state) {
    case 'failed':
      return { kind: 'rejected' as const, reason, settlesDoubt: true }
    case 'in_doubt':
    case 'parked':
      return { kind: 'unknown' as const, reason, keySpent: false }
    default: {
      const externalId = planted.externalId ?? null
      return { kind: 'executed' as const, receipt: { id: externalId }, externalId }
    }
  }
}
