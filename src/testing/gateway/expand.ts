import type { Account } from './account.js'
import { invalidRequest } from './errors.js'
import { type Json, renderCharge, renderCustomer, renderPaymentIntent } from './render.js'

const DEEPEST = 4

/**
 * Replaces ids by the objects that they name, as the `expand` parameter asks: `latest_charge`,
 * `data.customer`, `payment_intent.latest_charge`.
 *
 * @throws {ApiError} 400 when a path names nothing that can be expanded.
 */
export function expand(account: Account, body: Json, paths: readonly string[]): Json {
  return paths.reduce((expanded, path) => {
    const steps = path.split('.')
    if (steps.length > DEEPEST) throw cannotExpand(path)
    return expandPath(account, expanded, steps, path)
  }, body)
}

function expandPath(account: Account, body: Json, [step = '', ...rest]: readonly string[], path: string): Json {
  const value = body[step]
  if (value === null) return body
  if (Array.isArray(value)) {
    return { ...body, [step]: value.map((item: Json) => expandPath(account, item, rest, path)) }
  }
  const target = typeof value === 'string' ? lookUp(account, value) : isObject(value) ? value : undefined
  if (target === undefined) throw cannotExpand(path)
  return { ...body, [step]: rest.length === 0 ? target : expandPath(account, target, rest, path) }
}

function lookUp(account: Account, id: string): Json | undefined {
  const charge = account.charges.get(id)
  if (charge !== undefined) return renderCharge(charge)
  const intent = account.paymentIntents.get(id)
  if (intent !== undefined) return renderPaymentIntent(intent)
  const customer = account.customers.get(id)
  return customer === undefined ? undefined : renderCustomer(customer)
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null
}

function cannotExpand(path: string): Error {
  return invalidRequest(`This property cannot be expanded (${path}).`, { param: 'expand' })
}
