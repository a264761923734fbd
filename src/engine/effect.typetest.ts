import { z } from 'zod'
import { MemoryJournal, type MemoryTransaction } from '../journal/memory/index.js'
import type { Journal } from '../protocol/index.js'
import { realClock } from '../system/index.js'
import { Counterfoil, defineEffect } from './index.js'

interface Order {
  readonly id: string
  readonly cents: number
}
interface Booking {
  readonly id: string
  readonly parcel: string
}
declare const carrier: {
  book(order: Order, reference: string): Promise<Booking>
  byReference(reference: string): Promise<Booking | null>
}

// The types flow from the key's parameter and from what `execute` returns.
const bookParcel = defineEffect({
  name: 'book-parcel',
  key: (order: Order) => order.id,
  provider: {
    execute: (order, call) => carrier.book(order, call.reference),
    find: (_order, call) => carrier.byReference(call.reference),
    settlesWithin: '30s',
  },
  settled: async (tx: MemoryTransaction, order, outcome) => {
    const cents: number = order.cents
    if (outcome.kind === 'succeeded') void (outcome.receipt.parcel satisfies string)
    void [tx, cents]
  },
})

const journal = new MemoryJournal({ clock: realClock })
const counterfoil = new Counterfoil({ journal, effects: [bookParcel] })

export async function use(): Promise<string> {
  const booking = await counterfoil.perform(bookParcel, { id: 'order-1', cents: 100 })
  // @ts-expect-error: the input is an Order
  await counterfoil.perform(bookParcel, { id: 'order-1' })
  // @ts-expect-error: a receipt has no such property
  void booking.amount
  return booking.parcel
}

// A schema gives the input's type: `Raw` for callers, its output for the provider.
export const schemaEffect = defineEffect({
  name: 'with-schema',
  input: z.object({ id: z.string(), at: z.string().transform((text) => new Date(text)) }),
  key: (input) => input.id,
  provider: { execute: async (input) => ({ id: input.at.toISOString() }), inDoubt: 'park' },
})

export async function useSchema(): Promise<string> {
  const withSchema = new Counterfoil({ journal, effects: [schemaEffect] })
  // @ts-expect-error: callers pass what the schema reads, a text
  await withSchema.perform(schemaEffect, { id: 'a', at: new Date(0) })
  const receipt = await withSchema.perform(schemaEffect, { id: 'a', at: '2026-01-01T00:00:00Z' })
  return receipt.id
}

declare const otherJournal: Journal<{ readonly other: true }>

export const wrongJournal = new Counterfoil({
  // @ts-expect-error: the effect's handler is for another journal's transaction
  journal: otherJournal,
  effects: [bookParcel],
})
