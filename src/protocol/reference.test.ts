import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entryId, MAX_KEY_LENGTH, namesOf, reference, referencePrefix } from './index.js'

const name = fc.string({ unit: 'binary', maxLength: 40 })

describe('a reference', () => {
  it('is 36 characters that every service accepts, the first a letter', () => {
    fc.assert(
      fc.property(
        name,
        name,
        fc.string({ unit: 'binary', maxLength: MAX_KEY_LENGTH }),
        fc.nat(),
        (ns, effect, key, n) => {
          expect(reference(ns, effect, key, n)).toMatch(/^c[A-Za-z0-9_-]{35}$/)
        },
      ),
    )
  })

  it('begins with what says whose it is: the same for an effect, another for another', () => {
    fc.assert(
      fc.property(name, name, name, fc.nat(), (ns, effect, key, n) => {
        expect(referencePrefix(ns, effect)).toHaveLength(8)
        expect(reference(ns, effect, key, n).startsWith(referencePrefix(ns, effect))).toBe(true)
      }),
    )
    expect(referencePrefix('shop', 'charge')).not.toBe(referencePrefix('shop', 'refund'))
    expect(referencePrefix('shop', 'charge')).not.toBe(referencePrefix('test', 'charge'))
  })

  it('does not meet another by moving a boundary between its parts', () => {
    const neighbours = [
      ['a', 'b', 'c'],
      ['ab', '', 'c'],
      ['', 'ab', 'c'],
      ['a', 'bc', ''],
      ['a', '', 'bc'],
      ['', '', 'abc'],
      ['abc', '', ''],
      ['a"', ',"b', 'c'],
      ['a', 'b', 'c\u0000'],
      ['a', 'b', 'c,1'],
    ] as const
    const references = neighbours.flatMap(([ns, effect, key]) => [1, 11].map((n) => reference(ns, effect, key, n)))
    expect(new Set(references).size).toBe(neighbours.length * 2)
    const ids = neighbours.map(([ns, effect, key]) => entryId(ns, effect, key))
    expect(new Set(ids).size).toBe(neighbours.length)
  })

  it('is another for another part, and the same for the same', () => {
    const parts = fc.tuple(name, name, name, fc.integer({ min: 1, max: 20 }))
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other)
        expect(reference(...one) === reference(...other)).toBe(same)
        expect(reference(...one)).toBe(reference(...one))
      }),
    )
  })

  // A service compares them with what an earlier release sent: a change would make every effect in flight happen twice.
  it('is what every earlier release made it', () => {
    expect(reference('default', 'charge-order', 'order-1', 1)).toBe('c3jBjurJeMJejy6BTQOfBv_7pnHwTSjw2UKn')
    expect(reference('default', 'charge-order', 'order-1', 2)).toBe('c3jBjurJ0kd6EHP_nzHcdP_I_U-DnMqGlEar')
    expect(reference('', '', '', 1)).toBe('cQ5CD84lPkZQkGbiBzRgLdHxxghZDpERkmWl')
    expect(reference('shop/eu', 'versand', 'Bestellung №7 🧾', 1)).toBe('clu0ML6BMFSOd4EE5KsKRZyOfR8eSoVWYwXq')
    expect(referencePrefix('default', 'charge-order')).toBe('c3jBjurJ')
  })
})

describe('an entry id', () => {
  it('is a UUID of version 8 and of the variant of RFC 9562', () => {
    fc.assert(
      fc.property(name, name, name, (ns, effect, key) => {
        expect(entryId(ns, effect, key)).toMatch(
          /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        )
      }),
    )
  })

  it('is its own for each entry, whatever they have in common', () => {
    const parts = fc.tuple(name, name, name)
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        expect(entryId(...one) === entryId(...other)).toBe(JSON.stringify(one) === JSON.stringify(other))
      }),
    )
    const ids = Array.from({ length: 50_000 }, (_, i) => entryId('shop', 'charge', `order-${i}`))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('lies beside those of the keys that are used before and after it', () => {
    const openingsOf = (keys: readonly string[], length: number): number =>
      new Set(keys.map((key) => entryId('shop', 'charge', key).slice(0, length))).size
    const counted = Array.from({ length: 3_000 }, (_, i) => `order-${40_000 + i}`)
    expect(openingsOf(counted, 6)).toBe(3)
    expect(openingsOf(counted, 4)).toBe(1)
    // UUIDs of version 7, all within ten seconds.
    const timed = Array.from({ length: 500 }, (_, i) => {
      const hex = (0x0190_0000_0000 + i * 20).toString(16).padStart(12, '0')
      return `${hex.slice(0, 8)}-${hex.slice(8)}-7${randomUUID().slice(15)}`
    })
    expect(openingsOf(timed, 2)).toBe(1)
    const random = Array.from({ length: 5_000 }, () => randomUUID())
    expect(openingsOf(random, 2)).toBe(256)
    expect(openingsOf(['', 'a', 'ab', 'abc'], 6)).toBe(1)
  })

  it('is what namesOf says beside the reference', () => {
    fc.assert(
      fc.property(name, name, name, fc.integer({ min: 1, max: 9 }), (ns, effect, key, generation) => {
        expect(namesOf(ns, effect, key, generation)).toEqual({
          id: entryId(ns, effect, key),
          reference: reference(ns, effect, key, generation),
        })
      }),
    )
  })

  it('is what every earlier release made it', () => {
    expect(entryId('default', 'charge-order', 'order-1')).toBe('4a4aed78-c25e-8f2e-814d-039f06fffba6')
    expect(entryId('shop/eu', 'versand', 'Bestellung №7 🧾')).toBe('2c709430-548e-8781-84e4-ab0a459c8e7d')
  })
})
