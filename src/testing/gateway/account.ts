import type { Clock } from '../../system/index.js'
import { Collection } from './collection.js'
import type { Fault } from './faults.js'
import { KeyStore } from './idempotency.js'
import type { Ledger } from './ledger.js'
import type {
  ChargeRecord,
  CustomerRecord,
  EventRecord,
  Metadata,
  PaymentIntentRecord,
  RefundRecord,
} from './records.js'

/**
 * What the simulated service is capable of:
 * - `keys`: idempotency keys, and look-up by metadata
 * - `lookup`: the `Idempotency-Key` header is ignored; look-up by metadata works
 * - `none`: the header is ignored and there is no search, no filter and no event: only lists and reading by id
 */
export type GatewayLevel = 'keys' | 'lookup' | 'none'

/** What can be changed while the gateway runs. */
export interface GatewaySettings {
  /** What the service is capable of. Default `keys`. */
  readonly level: GatewayLevel
  /** How long before every operation takes effect, in milliseconds. Default 0. */
  readonly latencyMs: number
  /** How long search does not see a new or changed object, in milliseconds. Default 0. Lists never lag. */
  readonly searchLagMs: number
  /** How long an idempotency key is kept from its first use, in milliseconds. Default 24 hours. */
  readonly keyWindowMs: number
  /** What befalls every request, before any fault rule, until it is null again. Default null. */
  readonly outage?: Fault | null
}

/** What all accounts of a gateway share. */
export interface World {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly businessKeyField: string
  settings: GatewaySettings
}

/** The objects and idempotency keys of one account. */
export class Account {
  readonly world: World
  readonly name: string
  readonly paymentIntents: Collection<PaymentIntentRecord>
  readonly charges: Collection<ChargeRecord>
  readonly refunds: Collection<RefundRecord>
  readonly customers: Collection<CustomerRecord>
  readonly events: Collection<EventRecord>
  readonly keys: KeyStore
  /** Ids by `${key}\0${value}` of every metadata entry that an object ever had. */
  readonly paymentIntentsByMetadata = new Map<string, string[]>()
  readonly chargesByMetadata = new Map<string, string[]>()
  #latestSecond = 0

  /** `tag` sets the ids of this account apart from those of all others. */
  constructor(world: World, name: string, tag: string) {
    this.world = world
    this.name = name
    this.paymentIntents = new Collection(`pi_3${tag}`)
    this.charges = new Collection(`ch_3${tag}`)
    this.refunds = new Collection(`re_3${tag}`)
    this.customers = new Collection(`cus_${tag}`)
    this.events = new Collection(`evt_3${tag}`)
    this.keys = new KeyStore(world.clock, () => world.settings.keyWindowMs)
  }

  /** Seconds since the epoch, never going back, so that lists stay in the order of creation. */
  nowSeconds(): number {
    this.#latestSecond = Math.max(this.#latestSecond, Math.floor(this.world.clock.wallMs() / 1000))
    return this.#latestSecond
  }
}

/** The business key that metadata names: `business_key` if it is there, else the gateway's own field. */
export function businessKeyOf(metadata: Metadata, field: string): string | null {
  return metadata.business_key ?? metadata[field] ?? null
}

/** The key under which a metadata entry is indexed. */
export function metadataTerm(key: string, value: string): string {
  return `${key}\0${value}`
}

/** Notes that an object has (or once had) these metadata entries. */
export function indexMetadata(index: Map<string, string[]>, id: string, metadata: Metadata): void {
  for (const key in metadata) {
    const term = metadataTerm(key, metadata[key] ?? '')
    const ids = index.get(term)
    if (ids === undefined) index.set(term, [id])
    else if (ids.at(-1) !== id) ids.push(id)
  }
}
