import type { Account } from './account.js'
import { type Call, ok, type Prepare } from './call.js'
import type { Collection } from './collection.js'
import { invalidRequest, noSuchObject } from './errors.js'
import type { ObjectRecord } from './records.js'
import { type Json, renderCharge, renderCustomer, renderEvent, renderPaymentIntent, renderRefund } from './render.js'

/** https://docs.stripe.com/api/payment_intents/list */
export const listPaymentIntents = list({
  url: '/v1/payment_intents',
  collection: (account) => account.paymentIntents,
  render: renderPaymentIntent,
  filters: { customer: (intent, value) => intent.customer === value },
})

/** https://docs.stripe.com/api/charges/list */
export const listCharges = list({
  url: '/v1/charges',
  collection: (account) => account.charges,
  render: renderCharge,
  filters: {
    customer: (charge, value) => charge.customer === value,
    payment_intent: (charge, value) => charge.paymentIntent === value,
  },
})

/** https://docs.stripe.com/api/refunds/list */
export const listRefunds = list({
  url: '/v1/refunds',
  collection: (account) => account.refunds,
  render: renderRefund,
  filters: {
    charge: (refund, value) => refund.charge === value,
    payment_intent: (refund, value) => refund.paymentIntent === value,
  },
})

/** https://docs.stripe.com/api/customers/list */
export const listCustomers = list({
  url: '/v1/customers',
  collection: (account) => account.customers,
  render: renderCustomer,
  filters: { email: (customer, value) => customer.email === value },
})

/** https://docs.stripe.com/api/events/list */
export const listEvents = list({
  url: '/v1/events',
  collection: (account) => account.events,
  render: renderEvent,
  filters: { type: (event, value) => matchesType(event.type, value) },
  arrayFilters: { types: (event, values) => values.some((value) => matchesType(event.type, value)) },
})

interface ListOf<T extends ObjectRecord> {
  readonly url: string
  readonly collection: (account: Account) => Collection<T>
  readonly render: (record: T) => Json
  readonly filters: Readonly<Record<string, (record: T, value: string) => boolean>>
  readonly arrayFilters?: Readonly<Record<string, (record: T, values: readonly string[]) => boolean>>
}

/** A list endpoint: it shows what is committed at that moment and never lags. */
function list<T extends ObjectRecord>(of: ListOf<T>): Prepare {
  return (call) => {
    const page = call.parameters.page()
    const tests = filtersOf(of, call)
    if (call.account.world.settings.level === 'none') refuseFilters(call, tests.length > 0)
    return () => {
      const collection = of.collection(call.account)
      const cursor = page.startingAfter ?? page.endingBefore
      if (cursor !== null && collection.get(cursor) === undefined) {
        throw noSuchObject('object', cursor, page.startingAfter === null ? 'ending_before' : 'starting_after', 400)
      }
      const { records, hasMore } = collection.page({
        ...page,
        matches: (record) => tests.every((test) => test(record)),
      })
      return ok(() => ({ object: 'list', data: records.map(of.render), has_more: hasMore, url: of.url }))
    }
  }
}

function filtersOf<T extends ObjectRecord>(of: ListOf<T>, { parameters }: Call): ((record: T) => boolean)[] {
  const tests: ((record: T) => boolean)[] = []
  for (const [name, filter] of Object.entries(of.filters)) {
    const value = parameters.text(name)
    if (value !== null) tests.push((record) => filter(record, value))
  }
  for (const [name, filter] of Object.entries(of.arrayFilters ?? {})) {
    const values = parameters.array(name)
    if (values.length > 0) tests.push((record) => filter(record, values))
  }
  return tests
}

function refuseFilters(call: Call, filtered: boolean): void {
  if (!filtered && !call.parameters.has('created')) return
  throw invalidRequest('This service lists its operations without any filter; only limit and cursors are known.')
}

/** `charge.*` means every event about charges. */
function matchesType(type: string, wanted: string): boolean {
  return wanted.endsWith('.*') ? type.startsWith(wanted.slice(0, -1)) : type === wanted
}
