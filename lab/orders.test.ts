import { expect, it } from 'vitest'
import { isDeclined, makeOrders, strike } from './orders.js'

it('makes the same orders for the same seed, and others for another', () => {
  expect(makeOrders(20, 1)).toEqual(makeOrders(20, 1))
  expect(makeOrders(20, 1)).not.toEqual(makeOrders(20, 2))
})

it('has one declined card at least, and a twentieth of many', () => {
  expect(makeOrders(4, 1).filter(isDeclined)).toHaveLength(1)
  expect(makeOrders(100, 1).filter(isDeclined)).toHaveLength(5)
})

it('strikes a quarter of the orders, none with a declined card, and spares all others', () => {
  const orders = makeOrders(100, 3)
  const { struck, spared } = strike(orders, 3)
  expect(struck).toHaveLength(25)
  expect(struck.filter(isDeclined)).toEqual([])
  expect(new Set([...struck, ...spared])).toEqual(new Set(orders))
})

it('gives every customer two orders, and strikes one of them at the most', () => {
  const orders = makeOrders(40, 5)
  const customersOf = (some: typeof orders) => new Set(some.map(({ customer }) => customer)).size
  expect(customersOf(orders)).toBe(20)
  const { struck } = strike(orders, 5)
  expect(customersOf([...struck])).toBe(struck.length)
})

it('strikes no more than it may, one at least, and others for another seed', () => {
  expect(strike(makeOrders(100, 1), 1, 8).struck).toHaveLength(8)
  expect(strike(makeOrders(4, 1), 1).struck).toHaveLength(1)
  const orders = makeOrders(100, 1)
  expect(strike(orders, 1).struck).not.toEqual(strike(orders, 2).struck)
})
