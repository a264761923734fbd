import { ACCEPTED } from './accepted.js'
import type { GatewayLevel } from './account.js'
import type { Prepare } from './call.js'
import { captureHeldCharge, createCharge, retrieveCharge } from './charges.js'
import { createCustomer, retrieveCustomer } from './customers.js'
import { listCharges, listCustomers, listEvents, listPaymentIntents, listRefunds } from './lists.js'
import {
  cancelPaymentIntent,
  capturePaymentIntent,
  confirmPaymentIntent,
  createPaymentIntent,
  retrievePaymentIntent,
  updatePaymentIntent,
} from './payment-intents.js'
import { createRefund, retrieveRefund } from './refunds.js'
import { searchCharges, searchPaymentIntents } from './search.js'

/** An endpoint of the API. */
export interface Route {
  /** For example `payment_intents.create`. */
  readonly name: string
  readonly prepare: Prepare
  /** The parameters that Stripe knows here. */
  readonly accepted: ReadonlySet<string>
  /** The levels at which the endpoint exists. */
  readonly levels: readonly GatewayLevel[]
}

/** A route with the id that the path holds; empty where it holds none. */
export interface RouteMatch {
  readonly route: Route
  readonly id: string
}

const ALL: readonly GatewayLevel[] = ['keys', 'lookup', 'none']
const WITH_LOOKUP: readonly GatewayLevel[] = ['keys', 'lookup']

/** `:id` stands for one segment of the path. */
const ROUTES: Readonly<Record<string, Route>> = {
  'POST /v1/payment_intents': route('payment_intents.create', createPaymentIntent),
  'GET /v1/payment_intents': route('payment_intents.list', listPaymentIntents),
  'GET /v1/payment_intents/search': route('payment_intents.search', searchPaymentIntents, WITH_LOOKUP),
  'GET /v1/payment_intents/:id': route('payment_intents.retrieve', retrievePaymentIntent),
  'POST /v1/payment_intents/:id': route('payment_intents.update', updatePaymentIntent),
  'POST /v1/payment_intents/:id/confirm': route('payment_intents.confirm', confirmPaymentIntent),
  'POST /v1/payment_intents/:id/capture': route('payment_intents.capture', capturePaymentIntent),
  'POST /v1/payment_intents/:id/cancel': route('payment_intents.cancel', cancelPaymentIntent),
  'POST /v1/charges': route('charges.create', createCharge),
  'GET /v1/charges': route('charges.list', listCharges),
  'GET /v1/charges/search': route('charges.search', searchCharges, WITH_LOOKUP),
  'GET /v1/charges/:id': route('charges.retrieve', retrieveCharge),
  'POST /v1/charges/:id/capture': route('charges.capture', captureHeldCharge),
  'POST /v1/refunds': route('refunds.create', createRefund),
  'GET /v1/refunds': route('refunds.list', listRefunds),
  'GET /v1/refunds/:id': route('refunds.retrieve', retrieveRefund),
  'POST /v1/customers': route('customers.create', createCustomer),
  'GET /v1/customers': route('customers.list', listCustomers),
  'GET /v1/customers/:id': route('customers.retrieve', retrieveCustomer),
  'GET /v1/events': route('events.list', listEvents, WITH_LOOKUP),
}

/** Every endpoint, by method and path with `:id` for the object. */
export const ENDPOINTS: readonly string[] = Object.keys(ROUTES)

/** The route of a request, or null if the gateway has none at this level. */
export function findRoute(method: string, path: string, level: GatewayLevel): RouteMatch | null {
  const match = matchPath(method, path)
  return match?.route.levels.includes(level) ? match : null
}

function matchPath(method: string, path: string): RouteMatch | null {
  const direct = ROUTES[`${method} ${path}`]
  if (direct !== undefined) return { route: direct, id: '' }
  const [, version, resource, id = '', verb, ...rest] = path.split('/')
  if (rest.length > 0 || id === '') return null
  const nested = ROUTES[`${method} /${version}/${resource}/:id${verb === undefined ? '' : `/${verb}`}`]
  return nested === undefined ? null : { route: nested, id: decodeURIComponent(id) }
}

function route<Name extends keyof typeof ACCEPTED>(name: Name, prepare: Prepare, levels = ALL): Route {
  return { name, prepare, levels, accepted: new Set(ACCEPTED[name].split(' ')) }
}
