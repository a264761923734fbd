import { type ExternalOperation, entryId, fingerprint, reference } from 'counterfoil'

export const NAMESPACE = 'bench'
export const EFFECT = 'charge'
export const CENTS = 1_000

/** What is planted, each `anomalies` times: the entries from the first on, kind after kind. */
export const KINDS = [
  'duplicate, same reference',
  'duplicate, other reference',
  'orphan',
  'late success',
  'missing',
  'wrong amount',
  'wrong currency',
  'partly refunded',
  'refunded by hand',
  "other people's",
] as const

export type Kind = (typeof KINDS)[number]

/** A world of `size` business keys, the same in every process that asks for it. */
export class AuditWorld {
  readonly size: number
  readonly anomalies: number
  /** When the first operation was made; one follows another by a millisecond. */
  readonly startsAtMs: number

  constructor(plan: { readonly size: number; readonly anomalies: number; readonly startsAtMs: number }) {
    this.size = plan.size
    this.anomalies = plan.anomalies
    this.startsAtMs = plan.startsAtMs
  }

  kindOf(i: number): Kind | null {
    return KINDS[Math.floor(i / this.anomalies)] ?? null
  }

  /** Two operations for some keys, none for others: the index of the list counts slots of two. */
  get slots(): number {
    return this.size * 2
  }

  /** The operation in a slot of the service's list, or null where there is none. */
  operationAt(slot: number): ExternalOperation | null {
    const i = slot >> 1
    const kind = this.kindOf(i)
    return slot % 2 === 0 ? this.#first(i, kind) : this.#second(i, kind)
  }

  #first(i: number, kind: Kind | null): ExternalOperation | null {
    switch (kind) {
      case 'missing':
        return null
      case 'wrong amount':
        return this.#operation(i, { minorUnits: CENTS + 1 })
      case 'wrong currency':
        return this.#operation(i, { currency: 'usd' })
      case 'partly refunded':
        return this.#operation(i, { undoneMinorUnits: 300 })
      case 'refunded by hand':
        return { ...this.#operation(i, { undoneMinorUnits: CENTS }), state: 'undone' }
      default:
        return this.#operation(i, {})
    }
  }

  #second(i: number, kind: Kind | null): ExternalOperation | null {
    const externalId = `pi_second_${i}`
    const { key, ...first } = this.#operation(i, {})
    switch (kind) {
      case 'duplicate, same reference':
        return { ...first, key, externalId }
      case 'duplicate, other reference':
        return { ...first, key, externalId, reference: reference(NAMESPACE, EFFECT, keyOf(i), 2) }
      case "other people's":
        return { ...first, key: null, externalId, reference: `theirs-${i}` }
      default:
        return null
    }
  }

  #operation(i: number, amount: Partial<NonNullable<ExternalOperation['amount']>>): ExternalOperation {
    const key = keyOf(i)
    return {
      externalId: externalIdOf(i),
      reference: reference(NAMESPACE, EFFECT, key, 1),
      key,
      createdAtMs: this.startsAtMs + i,
      state: 'live',
      amount: { minorUnits: CENTS, currency: 'eur', undoneMinorUnits: 0, ...amount },
    }
  }

  /** What an audit must find, by kind and what it is about; of other people's operations nothing. */
  expected(): Map<string, number> {
    const found: [string, number][] = [
      ['duplicate', 2],
      ['orphan', 2],
      ['missing', 1],
      ['mismatch', 4],
    ]
    return new Map(found.map(([kind, times]) => [kind, times * this.anomalies]))
  }

  /** Whether a finding was planted. */
  isPlanted(kind: string, externalId: string): boolean {
    const second = externalId.startsWith('pi_second_')
    const planted = this.kindOf(Number(externalId.slice(second ? 'pi_second_'.length : 'pi_'.length)))
    switch (kind) {
      case 'duplicate':
        return second && (planted === 'duplicate, same reference' || planted === 'duplicate, other reference')
      case 'orphan':
        return !second && (planted === 'orphan' || planted === 'late success')
      case 'missing':
        return !second && planted === 'missing'
      default:
        return !second && planted !== null && /^(wrong|partly|refunded)/.test(planted)
    }
  }

  /** The row of the journal for a key; null for an orphan. */
  row(i: number): EntryRow | null {
    const kind = this.kindOf(i)
    if (kind === 'orphan') return null
    const key = keyOf(i)
    const input = JSON.stringify({ id: key, cents: CENTS })
    const isLate = kind === 'late success'
    return {
      id: entryId(NAMESPACE, EFFECT, key),
      key,
      reference: reference(NAMESPACE, EFFECT, key, 1),
      input,
      fingerprint: fingerprint({ id: key, cents: CENTS }),
      externalId: isLate ? null : externalIdOf(i),
      sentAtMs: this.startsAtMs + i,
    }
  }
}

/** What differs between planted entries. */
export interface EntryRow {
  readonly id: string
  readonly key: string
  readonly reference: string
  readonly input: string
  readonly fingerprint: string
  /** Null: it is parked, in doubt. */
  readonly externalId: string | null
  readonly sentAtMs: number
}

function keyOf(i: number): string {
  return `order-${i}`
}

function externalIdOf(i: number): string {
  return `pi_${i}`
}
