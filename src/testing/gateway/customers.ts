import type { Account } from './account.js'
import { emit, ok, type Prepare } from './call.js'
import { noSuchObject } from './errors.js'
import type { CustomerRecord } from './records.js'
import { renderCustomer } from './render.js'

/** https://docs.stripe.com/api/customers/create */
export const createCustomer: Prepare = (call) => {
  const { parameters } = call
  const draft = {
    email: parameters.text('email'),
    name: parameters.text('name'),
    phone: parameters.text('phone'),
    description: parameters.text('description'),
    metadata: parameters.metadata(),
  }
  return () => {
    const { account } = call
    const customer = account.customers.add(
      { ...draft, id: account.customers.nextId(), created: account.nowSeconds() },
      account.world.clock.monotonicMs(),
    )
    emit(call, 'customer.created', { object: 'customer', record: customer })
    return ok(() => renderCustomer(customer))
  }
}

/** https://docs.stripe.com/api/customers/retrieve */
export const retrieveCustomer: Prepare = (call) => () => {
  const customer = requireCustomerRecord(call.account, call.id)
  return ok(() => renderCustomer(customer))
}

function requireCustomerRecord(account: Account, id: string): CustomerRecord {
  const customer = account.customers.get(id)
  if (customer === undefined) throw noSuchObject('customer', id, 'id')
  return customer
}
