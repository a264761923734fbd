import type { Pool } from 'pg'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect, type Effect } from '../engine/index.js'
import { postgresJournal } from '../journal/postgres/index.js'
import {
  type CancelRequest,
  type ExternalOperation,
  entryId,
  type FindingKind,
  fingerprint,
  type Intent,
  type Journal,
  type ListWindow,
  type Provider,
  reference,
  transition,
} from '../protocol/index.js'
import { realClock } from '../system/index.js'

/** A seeded source of numbers: mulberry32, so that a world is the same in every run. */
export class Seeded {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)]
    if (picked === undefined) throw new Error('There is nothing to pick from.')
    return picked
  }
}

export interface Order {
  readonly id: string
  readonly cents: number
}

export interface Charge {
  readonly id: string
}

export const CENTS = 1_000
export const MINUTE_MS = 60_000
export const SETTLES_WITHIN_MS = MINUTE_MS
export const SKEW_MS = 1_000

type Operation = {
  -readonly [Name in keyof ExternalOperation]: ExternalOperation[Name]
}

/** The other side: what is at the service, whatever the journal says. It remembers every undoing that it made. */
export class PlantedService {
  readonly operations: Operation[] = []
  readonly undone: string[] = []
  /** Called before each page, from 0. */
  beforePage: (page: number) => void = () => undefined
  pageSize = 7
  /** By offset, as some services do: what appears at the top shows the last one of a page again. */
  byOffset = false

  async *list(window: ListWindow): AsyncGenerator<ExternalOperation> {
    let shown = 0
    let last: Operation | undefined
    for (let page = 0; ; page++) {
      this.beforePage(page)
      const all = this.#inWindow(window)
      const at = this.byOffset || last === undefined ? shown : all.indexOf(last) + 1
      const items = all.slice(at, at + this.pageSize)
      for (const item of items) {
        await undefined
        yield structuredClone(item)
      }
      shown += items.length
      last = items.at(-1) ?? last
      if (items.length < this.pageSize) return
    }
  }

  #inWindow({ fromMs, toMs }: ListWindow): Operation[] {
    return this.operations
      .filter((each) => each.createdAtMs >= fromMs && each.createdAtMs < toMs)
      .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.externalId < b.externalId ? 1 : -1))
  }

  undo({ externalId, minorUnits }: CancelRequest<Charge>): { id: string } {
    const operation = this.operations.find((each) => each.externalId === externalId)
    if (operation === undefined || operation.amount === null) throw new Error(`There is no ${externalId}.`)
    const { amount } = operation
    const left = amount.minorUnits - amount.undoneMinorUnits
    const given = minorUnits ?? left
    if (given > left || given === 0) throw new Error(`Only ${left} of ${externalId} are left.`)
    operation.amount = { ...amount, undoneMinorUnits: amount.undoneMinorUnits + given }
    if (given === left) operation.state = 'undone'
    this.undone.push(externalId)
    return { id: `re_${externalId}` }
  }
}

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
    const ago = (column: string) => `${column} = ${column} - a.ago_ms * interval '1 millisecond'`
    await this.#pool.query(
      `UPDATE ${this.#schema}.entries AS e
       SET ${['created_at', 'updated_at', 'first_sent_at', 'last_deadline_at', 'in_doubt_since'].map(ago).join(', ')},
         state = coalesce(a.state, e.state), due_at = CASE WHEN a.state IS NULL THEN e.due_at END
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

/** What was planted, and what an audit must therefore say: written down by the planter, not computed by the audit. */
export interface Truth {
  readonly findings: { readonly kind: FindingKind; readonly about: string; readonly code?: string }[]
  readonly entries: PlantedEntry[]
  /** Keys that evidence must settle. */
  readonly late: string[]
  foreign: number
  matched: number
}

/** One thing that may be so for one business key. */
export type Plant = (world: World, truth: Truth, seeded: Seeded) => void

const AGO_MS = 30 * MINUTE_MS

function recorded(world: World, truth: Truth, name: string, changes: Partial<ExternalOperation> = {}) {
  const key = world.newKey(name)
  const operation = world.plant(key, AGO_MS, changes)
  truth.entries.push({ key, agoMs: AGO_MS, state: 'succeeded', externalId: operation.externalId })
  return { key, operation }
}

/** Every planted thing, by its name. */
export const PLANTS: Readonly<Record<string, Plant>> = {
  matched: (world, truth) => {
    recorded(world, truth, 'matched')
    truth.matched++
  },
  duplicateSameReference: (world, truth, seeded) => {
    const key = world.newKey('twice')
    const pair = [world.plant(key, AGO_MS), world.plant(key, AGO_MS - 1_000)]
    const kept = seeded.below(2)
    truth.entries.push({ key, agoMs: AGO_MS, state: 'succeeded', externalId: pair[kept]?.externalId ?? '' })
    truth.findings.push({ kind: 'duplicate', about: pair[1 - kept]?.externalId ?? '', code: 'same_reference' })
    truth.matched++
  },
  duplicateOtherReference: (world, truth, seeded) => {
    const { key } = recorded(world, truth, 'twice-otherwise')
    const other = seeded.pick([world.reference(key, 2), null])
    const duplicate = world.plant(key, AGO_MS - 1_000, { reference: other })
    truth.findings.push({ kind: 'duplicate', about: duplicate.externalId, code: 'other_reference' })
    truth.matched++
  },
  thrice: (world, truth) => {
    const { key } = recorded(world, truth, 'thrice')
    for (const later of [1_000, 2_000]) {
      truth.findings.push({ kind: 'duplicate', about: world.plant(key, AGO_MS - later).externalId })
    }
    truth.matched++
  },
  duplicateAcrossTheEdge: (world, truth) => {
    const key = world.newKey('edge')
    const agoMs = 180 * MINUTE_MS
    const first = world.plant(key, agoMs)
    truth.entries.push({ key, agoMs, state: 'succeeded', externalId: first.externalId })
    truth.findings.push({ kind: 'duplicate', about: world.plant(key, AGO_MS).externalId })
  },
  orphan: (world, truth) => {
    truth.findings.push({
      kind: 'orphan',
      about: world.plant(world.newKey('orphan'), AGO_MS).externalId,
      code: 'no_entry',
    })
  },
  orphanWithoutKey: (world, truth) => {
    const operation = world.plant(world.newKey('orphan'), AGO_MS, { key: null })
    truth.findings.push({ kind: 'orphan', about: operation.externalId })
  },
  matchedByReferenceAlone: (world, truth) => {
    recorded(world, truth, 'by-reference', { key: null })
    truth.matched++
  },
  lateSuccess: (world, truth, seeded) => {
    const key = world.newKey('late')
    const operation = world.plant(key, AGO_MS)
    truth.entries.push({ key, agoMs: AGO_MS, state: seeded.pick(['in_doubt', 'parked'] as const) })
    truth.findings.push({ kind: 'orphan', about: operation.externalId, code: 'late_success' })
    truth.late.push(key)
  },
  failedThoughItHappened: (world, truth) => {
    const key = world.newKey('failed')
    truth.entries.push({ key, agoMs: AGO_MS, state: 'failed' })
    truth.findings.push({ kind: 'orphan', about: world.plant(key, AGO_MS).externalId, code: 'recorded_as_failed' })
  },
  failed: (world, truth) => {
    truth.entries.push({ key: world.newKey('declined'), agoMs: AGO_MS, state: 'failed' })
  },
  doubtWithoutTrace: (world, truth) => {
    truth.entries.push({ key: world.newKey('doubt'), agoMs: AGO_MS, state: 'parked' })
  },
  missing: (world, truth) => {
    const key = world.newKey('missing')
    truth.entries.push({ key, agoMs: AGO_MS, state: 'succeeded', externalId: `ch_gone_${world.namespace}_${key}` })
    truth.findings.push({ kind: 'missing', about: key, code: 'not_listed' })
  },
  wrongAmount: (world, truth) => {
    const { operation } = recorded(world, truth, 'amount', {
      amount: { minorUnits: CENTS + 1, currency: 'eur', undoneMinorUnits: 0 },
    })
    truth.findings.push({ kind: 'mismatch', about: operation.externalId, code: 'amount' })
  },
  wrongCurrency: (world, truth) => {
    const { operation } = recorded(world, truth, 'currency', {
      amount: { minorUnits: CENTS, currency: 'usd', undoneMinorUnits: 0 },
    })
    truth.findings.push({ kind: 'mismatch', about: operation.externalId, code: 'currency' })
  },
  partlyRefunded: (world, truth) => {
    const { operation } = recorded(world, truth, 'partly', {
      amount: { minorUnits: CENTS, currency: 'eur', undoneMinorUnits: 300 },
    })
    truth.findings.push({ kind: 'mismatch', about: operation.externalId, code: 'partly_undone' })
  },
  refundedByHand: (world, truth) => {
    const { operation } = recorded(world, truth, 'by-hand', {
      state: 'undone',
      amount: { minorUnits: CENTS, currency: 'eur', undoneMinorUnits: CENTS },
    })
    truth.findings.push({ kind: 'mismatch', about: operation.externalId, code: 'undone' })
  },
  refundedByHandAndChargedAgain: (world, truth) => {
    const { key, operation } = recorded(world, truth, 'again', {
      state: 'undone',
      amount: { minorUnits: CENTS, currency: 'eur', undoneMinorUnits: CENTS },
    })
    truth.findings.push({ kind: 'mismatch', about: operation.externalId, code: 'undone' })
    const again = world.plant(key, AGO_MS - 5_000, { reference: world.reference(key, 2) })
    truth.findings.push({ kind: 'orphan', about: again.externalId, code: 'other_operation' })
  },
  duplicateThatWasRefunded: (world, truth) => {
    const { key } = recorded(world, truth, 'mended')
    world.plant(key, AGO_MS - 1_000, {
      state: 'undone',
      amount: { minorUnits: CENTS, currency: 'eur', undoneMinorUnits: CENTS },
    })
    truth.matched++
  },
  compensated: (world, truth) => {
    const key = world.newKey('compensated')
    const undone = { minorUnits: CENTS, currency: 'EUR', undoneMinorUnits: CENTS }
    const operation = world.plant(key, AGO_MS, { state: 'undone', amount: undone })
    truth.entries.push({ key, agoMs: AGO_MS, state: 'compensated', externalId: operation.externalId })
    truth.matched++
  },
  compensatedAndYetLive: (world, truth) => {
    const key = world.newKey('uncompensated')
    const operation = world.plant(key, AGO_MS)
    truth.entries.push({ key, agoMs: AGO_MS, state: 'compensated', externalId: operation.externalId })
    truth.findings.push({ kind: 'mismatch', about: operation.externalId, code: 'still_live' })
  },
  otherPeoples: (world, truth, seeded) => {
    const { key } = recorded(world, truth, 'ours')
    truth.matched++
    const changes: readonly Partial<ExternalOperation>[] = [
      { reference: null, key: null },
      { reference: null, key: 'an order of theirs' },
      { reference: 'their-own-idempotency-key' },
      { reference: reference('another namespace', 'charge', key, 1) },
      { reference: reference(world.namespace, 'another effect', key, 1) },
    ]
    world.plant(key, AGO_MS, seeded.pick(changes))
    truth.foreign++
  },
  underWay: (world, truth) => {
    const key = world.newKey('under-way')
    world.plant(key, AGO_MS)
    truth.entries.push({ key, agoMs: 0, state: 'executing' })
  },
  stillMoving: (world, truth, seeded) => {
    const { key } = recorded(world, truth, 'moving')
    truth.matched++
    // A second one that has just appeared, or that the bank has not decided about.
    if (seeded.below(2) === 0) world.plant(key, 5_000)
    else world.plant(key, AGO_MS, { state: 'pending' })
  },
  justSucceeded: (world, truth) => {
    truth.entries.push({
      key: world.newKey('just'),
      agoMs: 0,
      state: 'succeeded',
      externalId: `ch_unseen_${world.namespace}`,
    })
  },
}
