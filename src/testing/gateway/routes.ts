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
  /** Parameters that Stripe knows here. The gateway ignores those that have nothing to do with money moving once. */
  readonly accepted: ReadonlySet<string>
  /** The levels at which the endpoint exists. */
  readonly levels: readonly GatewayLevel[]
}

/** A route with the id that the path holds; empty where it holds none. */
export interface RouteMatch {
  readonly route: Route
  readonly id: string
}

const PAGE = 'created ending_before limit starting_after'
const SEARCH = 'limit page query'
const PAYMENT =
  'amount application_fee_amount capture_method currency customer description metadata payment_method payment_method_configuration payment_method_data payment_method_options payment_method_types receipt_email setup_future_usage shipping statement_descriptor statement_descriptor_suffix transfer_data transfer_group'
const CONFIRMATION =
  'capture_method client_secret confirmation_token error_on_requires_action mandate mandate_data off_session payment_method payment_method_data payment_method_options payment_method_types radar_options receipt_email return_url setup_future_usage shipping use_stripe_sdk'
const CHARGE =
  'amount application_fee application_fee_amount capture card currency customer description destination metadata on_behalf_of radar_options receipt_email shipping source statement_descriptor statement_descriptor_suffix transfer_data transfer_group'
const CAPTURE =
  'amount amount_to_capture application_fee application_fee_amount final_capture metadata receipt_email statement_descriptor statement_descriptor_suffix transfer_data transfer_group'
const REFUND =
  'amount charge currency customer instructions_email metadata origin payment_intent reason refund_application_fee reverse_transfer'
const CUSTOMER =
  'address balance description email invoice_prefix invoice_settings metadata name payment_method phone preferred_locales shipping source tax tax_exempt'

const ALL: readonly GatewayLevel[] = ['keys', 'lookup', 'none']
const WITH_LOOKUP: readonly GatewayLevel[] = ['keys', 'lookup']

/** `:id` stands for one segment of the path. */
const ROUTES: Readonly<Record<string, Route>> = {
  'POST /v1/payment_intents': route(
    'payment_intents.create',
    createPaymentIntent,
    `${PAYMENT} ${CONFIRMATION} automatic_payment_methods confirm confirmation_method on_behalf_of`,
  ),
  'GET /v1/payment_intents': route('payment_intents.list', listPaymentIntents, `${PAGE} customer`),
  'GET /v1/payment_intents/search': route('payment_intents.search', searchPaymentIntents, SEARCH, WITH_LOOKUP),
  'GET /v1/payment_intents/:id': route('payment_intents.retrieve', retrievePaymentIntent, 'client_secret'),
  'POST /v1/payment_intents/:id': route('payment_intents.update', updatePaymentIntent, PAYMENT),
  'POST /v1/payment_intents/:id/confirm': route('payment_intents.confirm', confirmPaymentIntent, CONFIRMATION),
  'POST /v1/payment_intents/:id/capture': route('payment_intents.capture', capturePaymentIntent, CAPTURE),
  'POST /v1/payment_intents/:id/cancel': route('payment_intents.cancel', cancelPaymentIntent, 'cancellation_reason'),
  'POST /v1/charges': route('charges.create', createCharge, CHARGE),
  'GET /v1/charges': route('charges.list', listCharges, `${PAGE} customer payment_intent transfer_group`),
  'GET /v1/charges/search': route('charges.search', searchCharges, SEARCH, WITH_LOOKUP),
  'GET /v1/charges/:id': route('charges.retrieve', retrieveCharge, ''),
  'POST /v1/charges/:id/capture': route('charges.capture', captureHeldCharge, CAPTURE),
  'POST /v1/refunds': route('refunds.create', createRefund, REFUND),
  'GET /v1/refunds': route('refunds.list', listRefunds, `${PAGE} charge payment_intent`),
  'GET /v1/refunds/:id': route('refunds.retrieve', retrieveRefund, ''),
  'POST /v1/customers': route('customers.create', createCustomer, CUSTOMER),
  'GET /v1/customers': route('customers.list', listCustomers, `${PAGE} email`),
  'GET /v1/customers/:id': route('customers.retrieve', retrieveCustomer, ''),
  'GET /v1/events': route('events.list', listEvents, `${PAGE} delivery_success type types`, WITH_LOOKUP),
}

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

function route(name: string, prepare: Prepare, parameters: string, levels = ALL): Route {
  return { name, prepare, levels, accepted: new Set([...parameters.split(' '), 'expand']) }
}
