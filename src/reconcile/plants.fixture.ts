import { type ExternalOperation, type FindingKind, reference } from '../protocol/index.js'
import { CENTS, type Ground, MINUTE_MS, type PlantedEntry, World } from './world.fixture.js'

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

/** A world in which these things are planted, each once. */
export async function worldOf(
  ground: Ground,
  { namespace, seed }: { readonly namespace: string; readonly seed: number },
  names: readonly string[],
  changes: ConstructorParameters<typeof World>[2] = {},
): Promise<World> {
  const world = new World(ground, namespace, changes)
  const truth: Truth = { findings: [], entries: [], late: [], foreign: 0, matched: 0 }
  const seeded = new Seeded(seed)
  for (const name of names) PLANTS[name]?.(world, truth, seeded)
  await world.record(truth.entries)
  return world
}
