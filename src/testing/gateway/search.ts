import { type Account, metadataTerm } from './account.js'
import { ok, type Prepare } from './call.js'
import type { Collection } from './collection.js'
import { invalidRequest } from './errors.js'
import type { ChargeRecord, Metadata, ObjectRecord, PaymentIntentRecord } from './records.js'
import { type Json, renderCharge, renderPaymentIntent } from './render.js'
import { type Clause, matchesClause, parseSearchQuery, type SearchQuery } from './search-query.js'

/** https://docs.stripe.com/api/payment_intents/search */
export const searchPaymentIntents = search<PaymentIntentRecord>({
  url: '/v1/payment_intents/search',
  collection: (account) => account.paymentIntents,
  index: (account) => account.paymentIntentsByMetadata,
  render: renderPaymentIntent,
  fields: {
    amount: (intent) => intent.amount,
    created: (intent) => intent.created,
    currency: (intent) => intent.currency,
    customer: (intent) => intent.customer,
    status: (intent) => intent.status,
  },
})

/** https://docs.stripe.com/api/charges/search */
export const searchCharges = search<ChargeRecord>({
  url: '/v1/charges/search',
  collection: (account) => account.charges,
  index: (account) => account.chargesByMetadata,
  render: renderCharge,
  fields: {
    amount: (charge) => charge.amount,
    created: (charge) => charge.created,
    currency: (charge) => charge.currency,
    customer: (charge) => charge.customer,
    status: (charge) => (charge.failure === null ? 'succeeded' : 'failed'),
  },
})

interface SearchOf<T extends ObjectRecord> {
  readonly url: string
  readonly collection: (account: Account) => Collection<T>
  readonly index: (account: Account) => ReadonlyMap<string, readonly string[]>
  readonly render: (record: T) => Json
  readonly fields: Readonly<Record<string, (record: T) => number | string | null>>
}

/**
 * A search endpoint. It sees every object as it was `searchLagMs` ago, and not at all if it did not exist then: so an
 * absent result proves nothing about what was done since.
 */
function search<T extends ObjectRecord & { metadata: Metadata }>(of: SearchOf<T>): Prepare {
  return (call) => {
    const query = parseSearchQuery(call.parameters.requiredText('query'), new Set(Object.keys(of.fields)))
    const limit = call.parameters.pageLimit()
    const after = decodePage(call.parameters.text('page'))
    return () => {
      const { account } = call
      const collection = of.collection(account)
      const asOfMs = account.world.clock.monotonicMs() - account.world.settings.searchLagMs
      const found: T[] = []
      for (const id of candidates(query, of.index(account), collection)) {
        if (after !== null && id >= after) continue
        const record = collection.asOf(id, asOfMs)
        if (record === undefined || !matches(record, query, of)) continue
        found.push(record)
        if (found.length > limit) break
      }
      const hasMore = found.length > limit
      const page = found.slice(0, limit)
      const last = page.at(-1)
      return ok(() => ({
        object: 'search_result',
        data: page.map(of.render),
        has_more: hasMore,
        next_page: hasMore && last !== undefined ? Buffer.from(last.id).toString('base64url') : null,
        url: of.url,
      }))
    }
  }
}

/** The ids that can match at all, newest first. Ids of one collection sort by age, for they hold their place. */
function candidates<T extends ObjectRecord>(
  query: SearchQuery,
  index: ReadonlyMap<string, readonly string[]>,
  collection: Collection<T>,
): Iterable<string> {
  const exact = query.all ? query.clauses.find(isExactMetadata) : undefined
  if (exact === undefined) return collection.ids()
  return (index.get(metadataTerm(exact.metadataKey, exact.value)) ?? []).toSorted().reverse()
}

function isExactMetadata(clause: Clause): clause is Clause & { metadataKey: string; value: string } {
  return clause.metadataKey !== null && clause.operator === ':' && clause.value !== null && !clause.negated
}

function matches<T extends ObjectRecord & { metadata: Metadata }>(
  record: T,
  query: SearchQuery,
  of: SearchOf<T>,
): boolean {
  const test = (clause: Clause): boolean => {
    const actual = clause.metadataKey !== null ? record.metadata[clause.metadataKey] : of.fields[clause.field]?.(record)
    return matchesClause(clause, actual ?? null)
  }
  return query.all ? query.clauses.every(test) : query.clauses.some(test)
}

function decodePage(page: string | null): string | null {
  if (page === null) return null
  const id = Buffer.from(page, 'base64url').toString()
  if (/^[a-z]+_\w+$/.test(id)) return id
  throw invalidRequest(`Invalid page: ${page}. Pass next_page of the response before.`, { param: 'page' })
}
