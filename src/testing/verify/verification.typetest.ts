import { defineEffect, type Effect } from '../../engine/index.js'
import { defineVerification, gatewayService } from './index.js'

interface Order {
  readonly id: string
}

interface Parcel {
  readonly id: string
  readonly kilos: number
}

interface Database {
  query(sql: string): Promise<void>
}

const charge: Effect<Order, { id: string }, Database> = defineEffect({
  name: 'charge',
  key: (order: Order) => order.id,
  provider: { execute: async () => ({ id: 'ch_1' }), inDoubt: 'park' },
  settled: (tx: Database) => tx.query('UPDATE orders'),
})

const book: Effect<Parcel, null> = defineEffect({
  name: 'book',
  key: (parcel: Parcel) => parcel.id,
  provider: { execute: async () => null, inDoubt: 'park' },
})

// Effects of several inputs stand in one list, also those whose `settled` wants a database that verify has not.
export const fits = defineVerification({
  service: () => gatewayService(),
  effects: [
    { effect: () => charge, input: (id) => ({ id }) },
    { effect: async () => book, input: (id) => ({ id, kilos: 2 }) },
  ],
})

export const inputOfAnother = defineVerification({
  service: 'http://127.0.0.1:4010',
  // @ts-expect-error: a parcel has kilos
  effects: [{ effect: () => book, input: (id) => ({ id }) }],
})

export const withoutInput = defineVerification({
  service: 'http://127.0.0.1:4010',
  // @ts-expect-error: there is nothing to verify it with
  effects: [{ effect: () => charge }],
})

export const withoutService = defineVerification({
  // @ts-expect-error: a fake that is no address
  service: 4010,
  effects: [{ effect: () => charge, input: (id) => ({ id }) }],
})
